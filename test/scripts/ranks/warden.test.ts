/** A warden ends as its program does, and its program with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { hasSignals } from '../../helpers/platform.ts';
import { isAlive, survivorsOf } from '../../helpers/process-ids.ts';

t.setTimeout(60_000);

const warden = fileURLToPath(new URL('../../../scripts/ranks/warden.js', import.meta.url));
const start = (script: string) =>
  spawn(process.execPath, [warden, process.execPath, '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
const endOf = async (child: ReturnType<typeof start>) => (await once(child, 'exit')) as [number | null];

t.test('it ends as its program does', async (t) => {
  t.same(await endOf(start('process.exit(5)')), [5, null]);
  t.same(await endOf(start('')), [0, null]);
  if (hasSignals(t)) t.same(await endOf(start("process.kill(process.pid, 'SIGKILL')")), [137, null]);
});

t.test('once its stdin ends it ends its program, also one that does not want to', async (t) => {
  if (!hasSignals(t)) return;
  for (const [deafness, code] of [
    ['', 143],
    ["process.on('SIGTERM', () => {});", 137],
  ] as const) {
    const child = start(`${deafness} setInterval(() => {}, 1000); console.log(process.pid)`);
    const [pid] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    t.ok(isAlive(Number(pid)));
    const ended = endOf(child);
    child.stdin.end();
    t.same(await ended, [code, null]);
    t.same(await survivorsOf([Number(pid)]), []);
  }
});
