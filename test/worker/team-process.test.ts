/** What only shows from outside a process: that it ends by itself, and that it can be frozen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { TeamProcessReport } from '../helpers/team-process.ts';

const limitMs = 20_000;
const script = fileURLToPath(new URL(`../helpers/team-process${extname(import.meta.url)}`, import.meta.url));

interface Child {
  readonly process: ChildProcess;
  /** What it printed. */
  readonly report: Promise<TeamProcessReport>;
}

/** Starts a process that has the limit to end; after it, it is killed and the test fails. */
function startProcess(t: Test, ...args: string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const killing = setTimeout(() => child.kill('SIGKILL'), limitMs);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const report = once(child, 'close').then(([code, signal]): TeamProcessReport => {
    clearTimeout(killing);
    t.strictSame({ code, signal }, { code: 0, signal: null }, `it ended by itself within ${limitMs} ms`);
    const line = output.split('\n').find((text) => text.startsWith('{'));
    if (line === undefined) throw new Error(`it printed no report but ${JSON.stringify(output)}`);
    return JSON.parse(line) as TeamProcessReport;
  });
  return { process: child, report };
}

for (const threads of ['1', '3']) {
  t.test(`a process with ${threads} threads ends by itself once its team is closed`, async (t) => {
    const { error, deaths } = await startProcess(t, 'calm', threads).report;
    t.match({ error, deaths }, { error: null, deaths: 0 });
  });
}

t.test('so does one in which a thread hung and was replaced', async (t) => {
  const calm = await startProcess(t, 'calm', '2').report;
  const { stateDigest, deaths } = await startProcess(t, 'loop', '2').report;
  t.match({ stateDigest, deaths }, { stateDigest: calm.stateDigest, deaths: 1 });
});

t.test('so does one whose training failed', async (t) => {
  t.match(await startProcess(t, 'fatal', '2').report, { error: 'TEAM', stateDigest: null });
});

t.test('frozen for longer than any deadline and thawed, it goes on with the same bits', async (t) => {
  const freezes = 4;
  const freezeMs = 300; // a barrier waits 200 ms there
  const alone = await startProcess(t, 'frozen', '1').report;
  for (const threads of ['2', '3']) {
    const child = startProcess(t, 'frozen', threads);
    await once(child.process.stdout ?? child.process, 'data');
    for (let i = 0; i < freezes; i++) {
      await pause(50); // the fault itself, not a way to wait for something
      child.process.kill('SIGSTOP');
      await pause(freezeMs);
      child.process.kill('SIGCONT');
    }
    const frozen = await child.report;
    t.ok(frozen.longestPauseMs > freezeMs - 10, `it was frozen for ${frozen.longestPauseMs} ms at once`);
    t.equal(frozen.stateDigest, alone.stateDigest, `${threads} threads`);
  }
});
