/** The promise itself: for one recipe the same bits, however many threads and whichever kernels computed them. */
import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import t from 'tap';
import { type KernelSet, runnableKernels } from '../../shared/kernels/load.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { type RandomRecipe, randomRecipe } from '../helpers/random-recipe.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';

const seed = 20261015;
const trainSamples = 132;
/** Two evaluation shards, the second one of three samples. */
const testSamples = 131;
const source = syntheticDataset(seed, trainSamples, testSamples);
const kernelSets = runnableKernels();

const bits = async (fields: RecipeFields, threads: number, kernels: KernelSet) =>
  bitsOf(await train(fields, { source, threads, kernels }));

t.setTimeout(300_000);

t.test(
  `random recipes: the same bits for any threads and kernels, twice in a row (seed ${seed})`,
  async (t) => {
    const seen: RandomRecipe[] = [];
    const many = fc.constantFrom(2, 3, 4, 5, 8);
    await fc.assert(
      fc.asyncProperty(randomRecipe(trainSamples), many, many, async (fields, threads, others) => {
        seen.push(fields);
        const alone = await bits(fields, 1, 'wasm');
        t.ok(
          alone.steps > 0 && alone.losses.length === alone.steps,
          `${alone.steps} steps of ${fields.model}`,
        );
        const again = await bits(fields, 1, 'wasm');
        t.strictSame(again, alone, 'one thread a second time');
        const team = await bits(fields, threads, 'wasm');
        t.strictSame(team, alone, `${threads} threads`);
        const outcomes = [again, team];
        for (const set of kernelSets.filter((name) => name !== 'wasm')) {
          const outcome = await bits(fields, others, set);
          t.strictSame(outcome, alone, `${others} threads with ${set} kernels`);
          outcomes.push(outcome);
        }
        return outcomes.every(({ stateDigest }) => stateDigest === alone.stateDigest);
      }),
      { seed, numRuns: 16, endOnFailure: true },
    );

    const norms = ({ model }: RandomRecipe): number => model.split('batchnorm').length - 1;
    const lastBatch = ({ trainSamples, batchSize }: RandomRecipe): number => trainSamples % batchSize;
    const kinds: Record<string, (recipe: RandomRecipe) => boolean> = {
      'no batch norm': (recipe) => norms(recipe) === 0,
      'one batch norm': (recipe) => norms(recipe) === 1,
      'two batch norms': (recipe) => norms(recipe) === 2,
      'three batch norms': (recipe) => norms(recipe) === 3,
      'batch norm first': ({ model }) => model.startsWith('batchnorm'),
      'batch norm last': ({ model }) => /batchnorm\([^)]*\)$/.test(model),
      sync: (recipe) => recipe.batchNorm === 'sync' && norms(recipe) > 0,
      ghost: (recipe) => recipe.batchNorm === 'ghost' && norms(recipe) > 0,
      'a last batch of one sample': (recipe) => lastBatch(recipe) === 1 && !recipe.dropLast,
      'a short last batch left out': (recipe) => lastBatch(recipe) > 0 && recipe.dropLast,
      'shards of one sample': ({ shardSize }) => shardSize === 1,
      'a shard size that does not divide the batch': ({ shardSize, batchSize }) =>
        shardSize > 1 && shardSize < batchSize && batchSize % shardSize !== 0,
      'fewer shards than threads': ({ shardSize, batchSize }) => shardSize >= batchSize,
      'a subset of the samples': ({ trainSamples: samples }) => samples < trainSamples,
      nesterov: ({ optimizer }) => /nesterov=true/.test(String(optimizer)),
      'running statistics reset': ({ resetRunningStats }) => resetRunningStats === 'epoch',
      ...Object.fromEntries(
        ['sigmoid', 'relu', 'tanh', 'affine'].map((name) => [name, ({ model }) => model.includes(name)]),
      ),
    };
    for (const [kind, isOne] of Object.entries(kinds)) {
      t.ok(seen.some(isOne), `among the recipes: ${kind} (${seen.filter(isOne).length} of ${seen.length})`);
    }
  },
);

/** 5 batches of 24 and one of 12; shards of 5 divide neither. */
const twoNorms: RecipeFields = {
  model: 'dense(37) batchnorm relu dense(13) batchnorm(variance=unbiased) tanh dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9,nesterov=true,weightDecay=0.001)',
  epochs: 1,
};
const threeNorms: RecipeFields = {
  ...twoNorms,
  model: 'batchnorm dense(21) sigmoid batchnorm(scale=uniform) dense(10) affine(slope=2) batchnorm',
  shardSize: 7,
};

/** Threads divide its first product by columns: six panels, the last of ten columns. */
const wideLayer: RecipeFields = { ...twoNorms, model: 'dense(90) batchnorm relu dense(10)' };

for (const [name, recipe] of Object.entries({
  'two batch norms': twoNorms,
  'three batch norms': threeNorms,
  'a wide layer': wideLayer,
})) {
  for (const batchNorm of ['sync', 'ghost'] as const) {
    t.test(`${name}, ${batchNorm}: any number of threads agrees, with every set of kernels`, async (t) => {
      const fields = { ...recipe, batchNorm };
      const alone = await bits(fields, 1, 'wasm');
      t.ok(alone.losses[5] < alone.losses[0], `the loss falls from ${alone.losses[0]} to ${alone.losses[5]}`);
      for (const kernels of kernelSets) {
        for (const threads of kernels === 'wasm' ? [1, 2, 3, 4, 5, 8] : [1, 2, 5]) {
          t.strictSame(await bits(fields, threads, kernels), alone, `${threads} threads, ${kernels}`);
        }
      }
    });
  }
}

t.test('4000 short steps with more threads than cores: none goes ahead of another', async (t) => {
  const fields: RecipeFields = {
    model: 'dense(9) batchnorm relu dense(9) batchnorm dense(10) batchnorm',
    trainSamples: 120,
    batchSize: 6,
    shardSize: 1,
    optimizer: 'sgd(lr=0.02)',
    epochs: 200,
  };
  const alone = await train(fields, { source });
  t.equal(alone.steps, 4000);
  const threads = availableParallelism() + 3;
  const team = await train(fields, { source, threads, threadTimeoutMs: 5000 });
  t.strictSame(bitsOf(team), bitsOf(alone), `${threads} threads`);
  t.equal(team.deaths, 0, 'no thread waited in vain');
});

t.test(
  'the digests can differ: another shard size, seed, mode, rate or epoch count gives others',
  async (t) => {
    const base = await bits(twoNorms, 2, 'wasm');
    const changes: RecipeFields[] = [
      { shardSize: 6 },
      { seed: 1 },
      { batchNorm: 'ghost' },
      { optimizer: 'sgd(lr=0.05000001,momentum=0.9,nesterov=true,weightDecay=0.001)' },
      { epochs: 2 },
    ];
    for (const change of changes) {
      const other = await bits({ ...twoNorms, ...change }, 2, 'wasm');
      t.not(other.weightsDigest, base.weightsDigest, `weights with ${JSON.stringify(change)}`);
      t.not(other.stateDigest, base.stateDigest, `state with ${JSON.stringify(change)}`);
    }
  },
);
