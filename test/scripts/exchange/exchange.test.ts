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
