/** Who holds a run's folder: nobody takes it from a living process, everybody from a dead one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive, thisProcess } from '../../coordinator/process-identity.ts';
import { RunLock } from '../../coordinator/run-lock.ts';
import { hasFile } from '../helpers/platform.ts';

const silentMs = 300;

/** Writes the claim of somebody. */
function claim(folder: string, identity: object, name = 'lock-1-00000000.json'): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ ...thisProcess(), since: '2026-11-23T12:00:00.000Z', ...identity }));
  return path;
}

/** A process that is no more. */
async function dead(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'close');
  return child.pid ?? 0;
}

t.test('a folder is held until it is given back', async (t) => {
  const folder = t.testdir();
  const lock = await RunLock.take(folder, '--resume');
  const [name] = readdirSync(folder);
  t.match(JSON.parse(readFileSync(join(folder, name), 'utf8')), { pid: process.pid, since: /^\d{4}-/ });
  const refusal = await RunLock.take(folder, '--resume').catch((error: unknown) => error);
  t.match(refusal, { code: 'USAGE' });
  t.match(
    (refusal as Error).message,
    new RegExp(`^--resume: ".*" is in use by process ${process.pid} on \\S+ since \\d{4}-\\S+, expected`),
  );
  t.strictSame(readdirSync(folder), [name], 'who is refused leaves nothing');
  lock.release();
  t.strictSame(readdirSync(folder), []);
  (await RunLock.take(folder, '--resume')).release();
});

t.test('many at once: never two hold it', async (t) => {
  const folder = t.testdir();
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => RunLock.take(folder, 'r')));
  const held = all.filter(({ status }) => status === 'fulfilled');
  t.ok(held.length <= 1, `${held.length} hold it`);
  for (const one of all) if (one.status === 'fulfilled') one.value.release();
  t.strictSame(readdirSync(folder), []);
});

t.test('what a dead process held is taken, also if its number is another’s now', async (t) => {
  const folder = t.testdir();
  const gone = claim(folder, { pid: await dead() }, 'lock-2-0123abcd.json');
  const lock = await RunLock.take(folder, 'r');
  t.notOk(existsSync(gone));
  lock.release();
  if (!hasFile(t, '/proc/self/stat')) return;
  claim(folder, { pid: process.ppid, started: '1' });
  (await RunLock.take(folder, 'r')).release();
  t.strictSame(readdirSync(folder), [], 'a process that began at another time is another one');
  claim(folder, { pid: process.ppid, started: null });
  await t.rejects(RunLock.take(folder, 'r'), { code: 'USAGE' }, 'where that is not known, it lives');
});

t.test('a process that is dead and not waited for is dead', async (t) => {
  if (!hasFile(t, '/proc/self/stat')) return;
  // The shell becomes a program that waits for nobody; its child is dead before that.
  const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => shell.kill('SIGKILL'));
  const [text] = await once(shell.stdout, 'data');
  const pid = Number(String(text));
  const identity = { ...thisProcess(), pid, started: null };
  while (isAlive(identity)) await new Promise((resolve) => setImmediate(resolve));
  t.match(readFileSync(`/proc/${pid}/stat`, 'utf8'), / Z /, 'it is still there');
});

t.test('who cannot be seen from here is watched: it lives if its claim is touched', async (t) => {
  const folder = t.testdir();
  const far = claim(folder, { host: 'mara', place: 'another machine', pid: 7 });
  (await RunLock.take(folder, 'r', { silentMs })).release();
  t.notOk(existsSync(far), 'nothing moved');

  claim(folder, { host: 'mara', place: 'another machine', pid: 7 });
  let at = 1_000_000;
  const touching = setInterval(() => utimesSync(far, at, ++at), 20);
  t.teardown(() => clearInterval(touching));
  await t.rejects(RunLock.take(folder, 'r', { silentMs }), { message: /in use by process 7 on mara since/ });
  clearInterval(touching);

  for (const text of ['', '{"pid":7}', 'null', '[]', '{"pid":7,"host":1}']) {
    writeFileSync(far, text);
    (await RunLock.take(folder, 'r', { silentMs: 30 })).release();
    t.notOk(existsSync(far), `no claim that can be read: ${text}`);
  }
});

t.test('who was taken for dead finds out', async (t) => {
  const folder = t.testdir();
  const frozen = await RunLock.take(folder, 'r');
  t.notOk(frozen.isLost);
  const [name] = readdirSync(folder);
  rmSync(join(folder, name));
  t.notOk(frozen.isLost, 'a folder that was cleared is nobody else’s');
  const other = await RunLock.take(folder, 'r');
  t.ok(frozen.isLost);
  t.notOk(other.isLost);
  frozen.release();
  other.release();
});

t.test('a folder that cannot be written to is refused', async (t) => {
  // Root may write into folders that are read-only, but not into a file.
  const folder = join(t.testdir({ file: '' }), 'file');
  await t.rejects(RunLock.take(folder, 'r'), { code: 'OUTPUT', message: /^cannot write ".*lock-/ });
});
