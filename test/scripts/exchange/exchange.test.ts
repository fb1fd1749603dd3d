/** `npm run exchange` as a process, under every mpirun that is here. Each size is checked before it is timed. */
import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { mpirunsHere } from '../../helpers/mpiruns.ts';

t.setTimeout(180_000);

const program = fileURLToPath(new URL('../../../scripts/exchange/exchange.js', import.meta.url));
const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, [program, ...args], { timeout: 100_000 });

for (const mpirun of mpirunsHere(t)) {
  t.test(basename(mpirun), async (t) => {
    const quickly = ['--rounds', '1', '--seconds', '0.001', '--most', '0.7'];
    const { stdout } = await run('--mpirun', mpirun, '--ranks', '1,3', ...quickly);
    const [first] = stdout.split('\n');
    t.match(first, /^(Open MPI|MPICH) [\d.]+, Node [\d.]+, \d+ cores, 1 rounds of 0\.001 s$/);
    for (const size of ['4 KB', '16 KB', '64 KB', '256 KB', '636 KB'])
      t.match(stdout, new RegExp(`^ *${size}( +[\\d.]+ [µm]s){3} +[-+]?\\d+$`, 'm'));
  });
}

t.test('without an mpirun it says what to install', async (t) => {
  const failed = run('--mpirun', 'no-such-mpirun');
  await t.rejects(failed, { code: 2, stderr: /^exchange: .*"no-such-mpirun".*apt install openmpi-bin/ });
});

t.test('a flag that makes no sense is said in one line', async (t) => {
  const cases = {
    '--ranks=1,0': '--ranks: got "0", expected an integer ≥ 1',
    '--ranks=1,x': '--ranks: got "x", expected an integer ≥ 1',
    '--ranks=': '--ranks: got "", expected an integer ≥ 1',
    '--rounds=1.5': '--rounds: got "1.5", expected an integer ≥ 1',
    '--seconds=0': '--seconds: got "0", expected a number > 0',
    '--most=0.001': '--most: got "0.001", expected at least 0.00390625, the smallest gradient in megabytes',
    '--most=nan': '--most: got "nan", expected a number > 0',
  };
  for (const [flag, line] of Object.entries(cases))
    await t.rejects(run(flag), { code: 2, stderr: `exchange: ${line}\n` }, flag);
  await t.rejects(run('--runds', '3'), { code: 2, stderr: /^exchange: [^\n]*--runds[^\n]*\n$/ });
  await t.rejects(run('more'), { code: 2, stderr: /^exchange: [^\n]*more[^\n]*\n$/ });
});
