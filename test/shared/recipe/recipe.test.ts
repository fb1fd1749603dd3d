/** The recipe's canonical form, its id, and what follows from its numbers. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import {
  arithmeticVersion,
  canonicalJson,
  defaultShardSize,
  epochShape,
  type Recipe,
  recipeId,
} from '../../../shared/recipe/recipe.ts';

const seed = 20261126;
t.comment(`fast-check seed ${seed}`);

const recipe: Recipe = {
  arithmetic: 1,
  dataset: 'ab'.repeat(32),
  trainSamples: null,
  scale: 'signed',
  model: 'dense(10)',
  init: 'he',
  optimizer: 'sgd',
  schedule: 'constant',
  batchSize: 64,
  shardSize: 8,
  batchNorm: 'sync',
  dropLast: false,
  resetRunningStats: 'never',
  epochs: 1,
  seed: 0,
};

/** Written by hand: keys sorted, no white space. */
const canonical =
  '{"arithmetic":1,"batchNorm":"sync","batchSize":64,"dataset":' +
  '"abababababababababababababababababababababababababababababababab","dropLast":false,"epochs":1,' +
  '"init":"he","model":"dense(10)","optimizer":"sgd","resetRunningStats":"never","scale":"signed",' +
  '"schedule":"constant","seed":0,"shardSize":8,"trainSamples":null}';

t.test('the canonical JSON has sorted keys and no white space, its SHA-256 is the id', (t) => {
  t.equal(canonicalJson(recipe), canonical);
  t.equal(recipeId(recipe), createHash('sha256').update(canonical).digest('hex'));
  // The id of this recipe for as long as there is version 1 of the arithmetic.
  t.equal(recipeId(recipe), '0be809a5438cf8ee77950ca63aa9eb8cbe2e72c87962e507d8a170ae3e6c82ff');
  t.equal(arithmeticVersion, 1);
  t.end();
});

t.test('the order of keys changes nothing', (t) => {
  const entries = Object.entries(recipe);
  fc.assert(
    fc.property(
      fc.shuffledSubarray(entries, { minLength: entries.length }),
      (shuffled) => recipeId(Object.fromEntries(shuffled) as unknown as Recipe) === recipeId(recipe),
    ),
    { seed, numRuns: 100 },
  );
  t.pass('100 orders');
  t.end();
});

t.test('every field changes the id', (t) => {
  const changes: Partial<Record<keyof Recipe, unknown>> = {
    arithmetic: 2,
    dataset: 'cd'.repeat(32),
    trainSamples: 100,
    scale: 'unit',
    model: 'dense(20) dense(10)',
    init: 'glorot',
    optimizer: 'sgd(lr=0.2)',
    schedule: 'other',
    batchSize: 65,
    shardSize: 9,
    batchNorm: 'ghost',
    dropLast: true,
    resetRunningStats: 'start',
    epochs: 2,
    seed: 1,
  };
  t.same(Object.keys(changes), Object.keys(recipe));
  const ids = Object.entries(changes).map(([key, value]) => recipeId({ ...recipe, [key]: value }));
  t.equal(new Set([...ids, recipeId(recipe)]).size, ids.length + 1);
  t.end();
});

t.test('the default shard size is an eighth of the batch, from 8 to 64', (t) => {
  const sizes = { 1: 16, 16: 16, 64: 16, 128: 16, 129: 24, 256: 32, 511: 64, 513: 64, 65536: 64 };
  for (const [batchSize, shardSize] of Object.entries(sizes)) {
    t.equal(defaultShardSize(Number(batchSize)), shardSize, `batch ${batchSize}`);
  }
  t.end();
});

t.test('an epoch uses every sample once, or drops less than a batch', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 300 }),
      fc.option(fc.integer({ min: 1, max: 10_000 })),
      (total, batchSize, trainSamples) => {
        const shape = (dropLast: boolean) => epochShape({ trainSamples, batchSize, dropLast }, total);
        const [kept, dropped] = [shape(false), shape(true)];
        const samples = trainSamples ?? total;
        return (
          kept.samples === samples &&
          dropped.samples === samples &&
          (kept.steps - 1) * batchSize < samples &&
          kept.steps * batchSize >= samples &&
          dropped.steps * batchSize <= samples &&
          (dropped.steps + 1) * batchSize > samples
        );
      },
    ),
    { seed, numRuns: 500 },
  );
  t.pass('500 shapes');
  t.end();
});
