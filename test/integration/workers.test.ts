/** Workers with teams of their own give the bits of one thread, however the work is shared and whatever their threads do. */
import t from 'tap';
import { runnableKernels } from '../../shared/kernels/load.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Failpoint } from '../../worker/failpoint.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';
import { type TestWorker, trainWithWorkers } from '../helpers/workers.ts';

t.setTimeout(120_000);

const source = syntheticDataset(7, 60, 300);
/** Two steps of 24 samples in 5 shards and one of 12 in 3, twice. */
const recipe = (batchNorm: 'sync' | 'ghost'): RecipeFields => ({
  model: 'dense(13) batchnorm relu dense(10) batchnorm',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  resetRunningStats: 'epoch',
  epochs: 2,
  batchNorm,
});
const shardSteps = 2 * (5 + 5 + 3);

for (const mode of ['sync', 'ghost'] as const) {
  const alone = bitsOf(await train(recipe(mode), { source }));
  const teams: Record<string, readonly TestWorker[]> = {
    'one worker': [{ threads: 1 }],
    'one worker with three threads': [{ threads: 3 }],
    'two workers': [{ threads: 1 }, { threads: 1 }],
    'workers with 1, 2 and 3 threads': [{ threads: 1 }, { threads: 2 }, { threads: 3 }],
    'more workers than shards in the last step': Array.from({ length: 5 }, () => ({ threads: 1 })),
    'one worker for each set of kernels': runnableKernels().map((kernels) => ({ threads: 1, kernels })),
  };
  for (const [name, workers] of Object.entries(teams)) {
    t.test(`${mode}: ${name}`, async (t) => {
      const trained = await trainWithWorkers(recipe(mode), source, workers);
      t.same(bitsOf(trained), alone);
      t.match(trained, { deaths: 0, shardsRecomputed: 0, joins: workers.length });
      t.equal(trained.fleet.framesDropped, 0);
      // Every shard of every step was computed by a worker, once.
      t.equal(
        trained.work.reduce((sum, { shards }) => sum + shards, 0),
        shardSteps,
      );
      t.same(
        trained.ends,
        workers.map(() => ({ kind: 'over', reason: 'the run is done' })),
      );
    });
  }
}

t.test('threads of workers die anywhere, and the worker computes its nodes again', async (t) => {
  const alone = bitsOf(await train(recipe('sync'), { source }));
  // Segments of a step have a barrier each; the update has none.
  for (const [step, action] of [
    [0, 'throw'],
    [1, 'exit'],
    [2, 'throw'],
  ] as const) {
    const failpoints: Failpoint[] = [
      { rank: 0, step, barrier: 0, action },
      { rank: 1, step, barrier: 0, action },
    ];
    const trained = await trainWithWorkers(recipe('sync'), source, [
      { threads: 2, failpoints },
      { threads: 1, failpoints: failpoints.slice(0, 1) },
    ]);
    t.same(bitsOf(trained), alone, `${action} at step ${step}`);
    t.equal(trained.threadDeaths, 3);
    t.match(trained, { deaths: 0, shardsRecomputed: 0 }, 'which is the own affair of the worker');
  }
});

t.test('a bit that flips in the memory of a worker never ends up in a result', async (t) => {
  // Six updates; what comes after the last one changes nothing any more.
  for (const flipAfter of [1, 2, 3, 4, 5]) {
    const workers = [{ threads: 1 }, { threads: 1, flipAfter }];
    await t.rejects(trainWithWorkers(recipe('sync'), source, workers), {
      code: 'DOUBT',
      exitCode: 1,
      message: new RegExp(
        `^worker worker 1: after step ${flipAfter + 1} its parameters have the checksum .*--resume`,
      ),
    });
  }
});
