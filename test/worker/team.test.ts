/** A thread may die anywhere in a step, in any way: the step is run again, and the bits are the undisturbed ones. */
import t from 'tap';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Failpoint } from '../../worker/failpoint.ts';
import { bitsOf, startTraining, syntheticDataset, type Trained, train } from '../helpers/train.ts';

const source = syntheticDataset(7, 60, 300);
const threadTimeoutMs = 400;
const maxHeapMiB = 16;
type Mode = 'sync' | 'ghost';

/** Two steps of 24 samples in 5 shards, one of 12 in 3. */
const shardsOfStep = [5, 5, 3];
const recipe = (batchNorm: Mode): RecipeFields => ({
  model: 'dense(37) batchnorm relu dense(10) batchnorm',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 2,
  batchNorm,
});
/** Barriers of a step: of the first product, of two batch norms forth and back, of the gradient, and the last. */
const barriers = { sync: [0, 1, 4, 6], ghost: [0, 1, 2] } as const;

const calm = {
  sync: await train(recipe('sync'), { source, threads: 2 }),
  ghost: await train(recipe('ghost'), { source, threads: 2 }),
};

t.setTimeout(120_000);

function trainWith(mode: Mode, threads: number, failpoints: readonly Failpoint[]): Promise<Trained> {
  const actions = failpoints.map(({ action }) => action);
  return train(recipe(mode), {
    source,
    threads,
    failpoints,
    ...(actions.some((action) => action.startsWith('loop')) ? { threadTimeoutMs } : {}),
    ...(actions.includes('heap') ? { maxHeapMiB } : {}),
  });
}

const shardsOf = ({ work }: Trained): number[] => work.map(({ shards }) => shards);

t.test('without a failure nobody dies, nor with one at a step that does not come', async (t) => {
  const never = { rank: 0, step: 3, barrier: 0, action: 'throw' } as const;
  for (const trained of [calm.sync, calm.ghost, await trainWith('sync', 2, [never])]) {
    t.match(trained, { deaths: 0, shardsRecomputed: 0, steps: 6 });
  }
});

/** Every barrier and both threads for the quick ways to die; those that take their time are spread over them. */
const failures: (Failpoint & { mode: Mode })[] = [];
for (const mode of ['sync', 'ghost'] as const) {
  for (const [i, barrier] of barriers[mode].entries()) {
    for (const rank of [0, 1]) {
      failures.push({ mode, rank, step: 0, barrier, action: 'throw' });
      failures.push({ mode, rank, step: 2, barrier, action: 'exit' });
    }
    if (mode === 'sync' || i === 0) failures.push({ mode, rank: i % 2, step: 1, barrier, action: 'loop' });
    if (mode === 'sync' || i === 1) {
      failures.push({ mode, rank: (i + 1) % 2, step: 1, barrier, action: 'loop-wasm' });
      failures.push({ mode, rank: i % 2, step: 2, barrier, action: 'heap' });
    }
  }
}

for (const { mode, ...failpoint } of failures) {
  const { rank, step, barrier, action } = failpoint;
  t.test(`${mode}: thread ${rank} dies by ${action} at barrier ${barrier} of step ${step}`, async (t) => {
    const trained = await trainWith(mode, 2, [failpoint]);
    t.equal(trained.deaths, 1, 'it died, and nobody else');
    t.equal(trained.shardsRecomputed, shardsOfStep[step], 'one step was run again');
    t.strictSame(bitsOf(trained), bitsOf(calm[mode]), 'the bits are the same');
    t.strictSame(shardsOf(trained), shardsOf(calm[mode]), 'each step is in the account once');
  });
}

t.test('a single thread is replaced as well', async (t) => {
  const trained = await trainWith('sync', 1, [{ rank: 0, step: 1, barrier: 3, action: 'exit' }]);
  t.match(trained, { deaths: 1, shardsRecomputed: 5 });
  t.strictSame(bitsOf(trained), bitsOf(calm.sync));
});

t.test('several deaths in one run, of three threads and twice of the same', async (t) => {
  const trained = await trainWith('sync', 3, [
    { rank: 1, step: 0, barrier: 1, action: 'throw' },
    { rank: 1, step: 0, barrier: 4, action: 'exit' },
    { rank: 0, step: 1, barrier: 2, action: 'loop' },
    { rank: 2, step: 2, barrier: 6, action: 'throw' },
  ]);
  t.match(trained, { deaths: 4, shardsRecomputed: 5 + 5 + 5 + 3 });
  t.strictSame(bitsOf(trained), bitsOf(calm.sync));
  t.equal(
    shardsOf(trained).reduce((a, b) => a + b),
    2 * (5 + 5 + 3),
    'each step is in the account once',
  );
});

t.test('only the thread that hangs is ended, whatever the others did before', async (t) => {
  const reasons: string[] = [];
  const { run, team } = await startTraining(recipe('sync'), {
    source,
    threads: 2,
    threadTimeoutMs,
    onDeath: (reason) => reasons.push(reason),
    failpoints: [
      { rank: 0, step: 0, barrier: 2, action: 'throw' },
      { rank: 1, step: 1, barrier: 3, action: 'loop' },
    ],
  });
  t.teardown(() => team.close());
  // 300 samples are 3 shards of an evaluation: one for the first thread, two for the second.
  await team.evaluate('test');
  await team.evaluate('test');
  t.strictSame(await team.trainSteps(0, run.steps), { kind: 'done', step: 3 });
  t.match(team, { deaths: 2, shardsRecomputed: 10 });
  t.match(reasons, [/^thread 0 died: failpoint$/, /^thread 1 did not move for \d+ ms$/]);
});

t.test('a thread that dies every time ends the training with an error of the team', async (t) => {
  const action = 'throw';
  const failpoints = Array.from({ length: 9 }, () => ({ rank: 1, step: 1, barrier: 2, action }) as const);
  const { run, team } = await startTraining(recipe('sync'), { source, threads: 2, failpoints });
  await t.rejects(team.trainSteps(0, run.steps), {
    name: 'LockstepError',
    code: 'TEAM',
    exitCode: 1,
    message:
      /^threads died 4 times in a row at step 1 of the epoch, the last time: thread 1 died: failpoint$/,
  });
  t.equal(team.committed, 1, 'what was done before stands');
  await team.close();
  await team.close();
});
