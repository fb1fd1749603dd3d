/** A recipe as it is measured. */
import t from 'tap';
import { type BenchPlan, benchRecipe, estimateSeconds, shapesOf } from '../../../scripts/bench/plan.ts';
import { defaultThreads } from '../../../scripts/commands/bench.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { refusal } from '../../helpers/refusal.ts';
import { label } from '../../helpers/train.ts';

const model = 'dense(20) relu dense(10)';
const recipeOf = (fields: object, sizes = [64, 24]) =>
  benchRecipe({ name: 'r', fields: { model, ...fields }, label }, sizes);

t.test('there is a draft for each batch size, on all samples', (t) => {
  const { drafts } = recipeOf({ trainSamples: 100, batchSize: 24, optimizer: 'sgd(lr=0.5)' });
  t.match(drafts, [
    { batchSize: 64, trainSamples: null, optimizer: 'sgd(lr=0.5)' },
    { batchSize: 24, trainSamples: null },
  ]);
  t.same(
    shapesOf(drafts[0]).map(({ inputs, outputs }) => [inputs, outputs]),
    [
      [784, 20],
      [20, 10],
    ],
  );
  t.end();
});

t.test('a shard size goes with its own batch size', (t) => {
  t.match(recipeOf({ batchSize: 24, shardSize: 3 }).drafts, [{ shardSize: 16 }, { shardSize: 3 }]);
  t.end();
});

t.test('a model to start from and the identity of data are left out, a mistake in them is not', (t) => {
  const hash = '0'.repeat(64);
  t.match(recipeOf({ init: `sha256:${hash}`, dataset: hash }).drafts[0], { init: 'he', dataset: null });
  t.match(recipeOf({ init: 'glorot' }).drafts[0], { init: 'glorot' });
  t.match(
    refusal(() => recipeOf({ dataset: 'x' })),
    /dataset: got "x"/,
  );
  t.match(
    refusal(() => recipeOf({ data: 'nowhere' })),
    /data: got "nowhere"/,
  );
  t.end();
});

t.test('threads are powers of two, and all', (t) => {
  t.same(defaultThreads(1), [1]);
  t.same(defaultThreads(2), [1, 2]);
  t.same(defaultThreads(6), [1, 2, 4, 6]);
  t.same(defaultThreads(8), [1, 2, 4, 8]);
  t.equal(defaultThreads(5000).at(-1), 1024);
  t.end();
});

t.test('more of anything takes longer', (t) => {
  const plan: BenchPlan = {
    recipes: [recipeOf({}, [64])],
    batchSizes: [64],
    threads: [1],
    workers: [],
    ranks: [],
    mpirun: '',
    windows: true,
    kernels: [loadKernels('auto')],
    rounds: 3,
    seconds: 0.5,
    peers: [],
    missing: [],
  };
  const least = estimateSeconds(plan);
  const settings = { threads: 1, blasThreads: 1, processes: 1, backend: '' };
  const peer = { title: 'peer', command: 'peer', args: [], environment: {}, settings };
  const more: Partial<BenchPlan>[] = [
    { batchSizes: [64, 64] },
    { threads: [1, 2] },
    { workers: [2] },
    { ranks: [2] },
    { kernels: [...plan.kernels, ...plan.kernels] },
    { rounds: 4 },
    { seconds: 0.6 },
    { recipes: [...plan.recipes, ...plan.recipes] },
    { peers: [peer] },
  ];
  for (const one of more) t.ok(estimateSeconds({ ...plan, ...one }) > least, Object.keys(one).join());
  t.end();
});
