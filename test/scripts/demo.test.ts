/** `npm run demo`: it ends well, shows what happens, and leaves nothing behind. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { hasSignals } from '../helpers/platform.ts';

t.setTimeout(120_000);

// This file runs from dist/test/scripts.
const demo = fileURLToPath(new URL('../../scripts/demo.js', import.meta.url));

const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, [demo, ...args], { timeout: 100_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );

t.test('a coordinator that cannot begin says why, and no stack of ours follows', async (t) => {
  const { code, stdout, stderr } = await run('nosuch');
  t.equal(code, 2, 'its exit code');
  t.match(stdout, /^coordinator │ lockstep: recipe: got "nosuch"/m);
  t.match(stdout, /│ the coordinator ended before workers could join\n$/);
  t.equal(stderr, '');
});

t.test('a run that is over before the kill is no reason to report a machine', async (t) => {
  const { code, stdout } = await run('mnist', '--epochs', '0', '--model', 'dense(10)');
  t.equal(code, 0, stdout.slice(-300));
  t.match(stdout, /^demo +│ 3 joined, 0 died$/m);
  t.match(
    stdout,
    /│ the same bits, but the run was too short for the kill; more --epochs or samples show it\n$/,
  );
  t.notMatch(stdout, /kill -9|please report/);
});

t.test('a worker is killed, another one comes, and the bits are those of one thread', async (t) => {
  if (!hasSignals(t)) return;
  const args = [demo, 'mnist', '--train-samples', '2000', '--epochs', '3'];
  const environment = { ...process.env, LOCKSTEP_EPOCHS: '7', LOCKSTEP_QUIET: '1' };
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: environment,
    timeout: 100_000,
  });
  for (const says of [
    /^demo +│ kill -9 \d+: ben is gone/m,
    /^coordinator │ ben \(127\.0\.0\.1:\d+\) lost: the connection was lost; 2 workers now$/m,
    /^coordinator │ dora \(127\.0\.0\.1:\d+\) joined/m,
    /^demo +│ 4 joined, 1 died$/m,
    /^demo +│ digest of one thread {3}[0-9a-f]{64}$/m,
    /│ the same bits\n$/,
  ]) {
    t.match(stdout, says);
  }
});
