/** `lockstep bench --mpi` as a process: its rows, that no rank outlives it, and what it refuses. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { holdRefused, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { mpirunsHere } from '../helpers/mpiruns.ts';
import { hasSignals } from '../helpers/platform.ts';
import { childrenWhen, showsChildren, survivorsOf } from '../helpers/process-ids.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const folder = t.testdir({
  'tiny.json': JSON.stringify({ model: 'dense(4) batchnorm relu dense(10)', data: 'data' }),
});
writeTinyData(join(folder, 'data'));
const [mpirun] = mpirunsHere(t);
const bench = (...more: string[]) => [
  ...['bench', 'tiny.json', '--batch-size', '64', '--threads', '1,2', '--kernels', 'wasm'],
  ...['--mpirun', mpirun, ...more],
];

if (mpirun !== undefined) {
  t.test('ranks have rows in the JSON and in the tables', async (t) => {
    const args = bench('--mpi', '2,0,1', '--seconds', '0.01', '--rounds', '1', '--json');
    const result = await lockstep(args, { cwd: folder });
    t.equal(result.code, 0, result.stderr);
    const ofRanks = {
      kernels: 'wasm',
      workers: 0,
      threads: 1,
      samplesPerSecond: Number,
      overThreads: Number,
    };
    t.match(jsonOf(result), {
      groups: [
        {
          sides: [
            { ranks: 0, threads: 1, phases: Object },
            { ranks: 0, threads: 2, phases: Object },
            { ...ofRanks, ranks: 1, phases: null, step: null },
            { ...ofRanks, ranks: 2, phases: null, step: null },
          ],
        },
      ],
    });
    t.match(result.stderr.replace(/\s+/g, ' '), '1 and 2 threads, 1 and 2 ranks of MPI, wasm kernels');
    t.match(result.stderr, /64 {2}wasm +2 ranks /);
    t.match(result.stderr, /Processes of one thread each over as many threads of one process\n/);
  });

  for (const [title, signals, code] of [
    ['one Ctrl-C', ['SIGINT'], 130],
    ['two Ctrl-C', ['SIGINT', 'SIGINT'], 130],
    ['SIGKILL', ['SIGKILL'], null],
  ] as const) {
    t.test(`no rank outlives ${title}`, async (t) => {
      if (!hasSignals(t) || !showsChildren(t)) return;
      const pids: number[] = [];
      const during = async (child: ChildProcess) => {
        const [warden] = await childrenWhen(child.pid ?? 0, 1);
        const [starter] = await childrenWhen(warden, 1);
        pids.push(warden, starter, ...(await childrenWhen(starter, mpirun.endsWith('mpich') ? 1 : 2)));
        whenShown(child.stderr, 'again to end at once', () => signals[1] && child.kill(signals[1]));
        child.kill(signals[0]);
      };
      const args = bench('--mpi', '2', '--rounds', '1000', '--seconds', signals.length === 2 ? '100' : '0.5');
      const result = await lockstep(args, { cwd: folder, during: (child) => void during(child) });
      t.equal(result.code, code, result.stderr);
      t.ok(pids.length >= 3, 'they were there');
      t.same(await survivorsOf(pids), []);
    });
  }
}

t.test('what it refuses', (t) =>
  holdRefused(t, {
    'too many ranks': {
      args: ['bench', '--mpi', '65'],
      code: 2,
      says: /--mpi: got "?65"?, expected an integer from 0 to 64/,
    },
    'no mpirun': {
      args: ['bench', '--mpi', '2', '--mpirun', 'no-such-mpirun'],
      code: 2,
      says: /--mpi: got no program "no-such-mpirun" in PATH, expected one that starts ranks; install Open MPI/,
    },
  }),
);
