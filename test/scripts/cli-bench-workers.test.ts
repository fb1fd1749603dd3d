/** `lockstep bench --workers` as a process: its rows, and that no worker outlives it. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { holdRefused, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { childrenWhen, groupsOf, showsChildren, survivorsOf } from '../helpers/process-ids.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const folder = t.testdir({
  'tiny.json': JSON.stringify({ model: 'dense(4) batchnorm relu dense(10)', data: 'data' }),
});
writeTinyData(join(folder, 'data'));
const bench = (workers: string, ...more: string[]) => [
  ...[
    'bench',
    'tiny.json',
    '--batch-size',
    '64',
    '--threads',
    '1',
    '--kernels',
    'wasm',
    '--workers',
    workers,
  ],
  ...more,
];

t.test('workers have rows in the JSON and in the tables', async (t) => {
  const result = await lockstep(bench('2,0,1', '--seconds', '0.01', '--rounds', '1', '--json'), {
    cwd: folder,
  });
  t.equal(result.code, 0, result.stderr);
  t.match(jsonOf(result), {
    groups: [
      {
        sides: [
          { workers: 0, threads: 1, phases: Object, step: null },
          ...[1, 2].map((workers) => ({
            ...{ kernels: 'wasm', workers, threads: 1, samplesPerSecond: Number, speedUp: Number },
            phases: null,
            step: {
              worker: { computing: Number, rest: Number },
              coordinator: { merging: Number, sending: Number, update: Number, waiting: Number },
              bytesUp: Number,
              bytesDown: Number,
            },
          })),
        ],
      },
    ],
  });
  t.match(result.stderr.replace(/\s+/g, ' '), '1 thread, 1 and 2 workers, wasm kernels');
  t.match(result.stderr, /64 {2}wasm +2 workers /);
  t.match(result.stderr, /A step with workers of one thread each/);
});

for (const [title, signals, code] of [
  ['one Ctrl-C', ['SIGINT'], 130],
  ['two Ctrl-C', ['SIGINT', 'SIGINT'], 130],
  ['SIGKILL', ['SIGKILL'], null],
] as const) {
  t.test(`no worker outlives ${title}`, async (t) => {
    if (!hasSignals(t) || !showsChildren(t)) return;
    let workers: number[] = [];
    const during = async (child: ChildProcess) => {
      workers = await childrenWhen(child.pid ?? 0, 2);
      t.same(await groupsOf(workers), workers, 'a Ctrl-C in a terminal is none for them');
      whenShown(child.stderr, 'again to end at once', () => signals[1] && child.kill(signals[1]));
      child.kill(signals[0]);
    };
    const args = bench('2', '--rounds', '1000', '--seconds', title === 'two Ctrl-C' ? '100' : '0.5');
    const result = await lockstep(args, { cwd: folder, during: (child) => void during(child) });
    t.equal(result.code, code, result.stderr);
    t.equal(workers.length, 2, 'they were there');
    t.same(await survivorsOf(workers), []);
  });
}

t.test('what it refuses', (t) =>
  holdRefused(t, {
    'too many workers': {
      args: ['bench', '--workers', '65'],
      code: 2,
      says: /--workers: got "?65"?, expected an integer from 0 to 64/,
    },
    'something else than a number': {
      args: ['bench', '--workers', '1,two'],
      code: 2,
      says: /--workers: got "two", expected an integer from 0 to 64/,
    },
  }),
);
