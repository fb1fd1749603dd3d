/** The promise among ranks of MPI: the same bits as one thread, for any number of ranks, threads and any kernels. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { jobEnvironment } from '../../scripts/ranks/mpirun.ts';
import { builtInFields } from '../../scripts/recipes/built-in.ts';
import { publishedDigests } from '../../scripts/recipes/digests.ts';
import { type KernelSet, runnableKernels } from '../../shared/kernels/load.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { WorkAccount } from '../../shared/training.ts';
import { cleanEnvironment } from '../helpers/cli.ts';
import { mpirunsHere } from '../helpers/mpiruns.ts';
import { randomRecipe } from '../helpers/random-recipe.ts';
import type { RankTraining, RankTrainings } from '../helpers/rank-trainer.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';

const seed = 20261123;
const data = { seed, train: 132, test: 131 };
const source = syntheticDataset(data.seed, data.train, data.test);
const kernelSets = runnableKernels();
const trainer = fileURLToPath(new URL('../helpers/rank-trainer.js', import.meta.url));

t.setTimeout(600_000);

type Bits = ReturnType<typeof bitsOf>;
interface Result {
  readonly bits: Bits;
  readonly work: readonly WorkAccount[];
  readonly hasWindows: boolean;
  /** In the place of these where a bit was flipped. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** Trains on so many ranks, one training after the other. */
async function trainOnRanks(
  t: Test,
  mpirun: string,
  ranks: number,
  trainings: readonly RankTraining[],
  onData: RankTrainings['data'] = data,
): Promise<Result[]> {
  const folder = t.testdir({});
  const [tasks, out] = ['tasks.json', 'out.jsonl'].map((name) => join(folder, name));
  writeFileSync(tasks, JSON.stringify({ data: onData, trainings, out } satisfies RankTrainings));
  writeFileSync(out, '');
  await promisify(execFile)(mpirun, ['-n', String(ranks), process.execPath, trainer, tasks], {
    env: { ...cleanEnvironment(), ...jobEnvironment },
    timeout: 300_000,
    killSignal: 'SIGKILL',
  });
  const lines = readFileSync(out, 'utf8').trim().split('\n');
  t.equal(lines.length, trainings.length, `${ranks} ranks trained ${lines.length} recipes`);
  return lines.map((line) => JSON.parse(line));
}

/** As it looks after it was written as JSON, which has no −0. */
const asJson = (bits: Bits): unknown => JSON.parse(JSON.stringify(bits));

const alone = new Map<string, Promise<unknown>>();
function bitsAlone(fields: RecipeFields): Promise<unknown> {
  const key = JSON.stringify(fields);
  const known = alone.get(key) ?? train(fields, { source }).then((trained) => asJson(bitsOf(trained)));
  alone.set(key, known);
  return known;
}

/** 5 batches of 24 and one of 12; shards of 5 divide neither. */
const twoNorms: RecipeFields = {
  model: 'dense(37) batchnorm relu dense(13) batchnorm(variance=unbiased) tanh dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9,nesterov=true,weightDecay=0.001)',
  epochs: 2,
};
/** Without state ranks update their slices and weights travel; with state gradients do. */
const stateless: RecipeFields = { ...twoNorms, optimizer: 'sgd(lr=0.05,weightDecay=0.001)' };
const noNorm: RecipeFields = { ...twoNorms, model: 'dense(90) relu dense(10)', shardSize: 1 };
const drawn = fc.sample(randomRecipe(data.train), { seed, numRuns: 12 });

/** Recipes that differ in all that decides an exchange, with kernels and threads in turn. */
function trainingsFor(ranks: number): RankTraining[] {
  type Plain = Omit<RankTraining, 'windows'>;
  const fixed: Plain[] = kernelSets.flatMap((kernels) =>
    (['sync', 'ghost'] as const).map((batchNorm) => ({
      fields: { ...twoNorms, batchNorm },
      threads: 1,
      kernels,
    })),
  );
  const threaded: Plain[] = [twoNorms, stateless].flatMap((fields) =>
    [2, 3].map((threads) => ({ fields, threads, kernels: 'wasm' as KernelSet })),
  );
  const chunked: Plain[] = [1, 2].flatMap((threads) =>
    [noNorm, stateless].map((fields) => ({
      fields,
      threads,
      kernels: 'wasm' as KernelSet,
      chunkFloats: 5000,
    })),
  );
  const random = drawn.map((fields, i) => ({
    fields,
    threads: 1 + ((i + ranks) % 2),
    kernels: kernelSets[(i + ranks) % kernelSets.length],
  }));
  const inBothWays = [...fixed, ...threaded, ...chunked].flatMap((training) =>
    [true, false].map((windows) => ({ ...training, windows })),
  );
  return [...inBothWays, ...random.map((training, i) => ({ ...training, windows: i % 2 === 0 }))];
}

const mpiruns = mpirunsHere(t);

for (const mpirun of mpiruns) {
  // What differs between the two is who carries the bytes.
  for (const ranks of basename(mpirun) === 'mpirun.mpich' ? [3] : [1, 2, 3, 4, 7]) {
    t.test(`${ranks} ranks have the bits of one thread (${basename(mpirun)})`, async (t) => {
      const trainings = trainingsFor(ranks);
      const results = await trainOnRanks(t, mpirun, ranks, trainings);
      for (const [i, { fields, threads, kernels, chunkFloats, windows }] of trainings.entries()) {
        const { bits, work, hasWindows } = results[i];
        const by = windows ? 'by windows' : 'by MPI';
        const how = `${fields.model}, ${fields.batchNorm ?? 'sync'}, ${threads} threads, ${kernels}, ${by}`;
        t.equal(hasWindows, windows && ranks > 1 && process.platform === 'linux', by);
        t.strictSame(bits, await bitsAlone(fields), chunkFloats === undefined ? how : `${how}, in chunks`);
        const shards = work.map((one) => one.shards);
        t.equal(shards.length, ranks);
        t.ok(
          Math.max(...shards) - Math.min(...shards) <= bits.steps,
          `shared as ${shards.join(' + ')} shards`,
        );
      }
    });
  }
}

t.test(
  'a bit that flips in the memory of one rank ends the run aloud',
  {
    skip: mpiruns.length === 0 && 'no mpirun',
  },
  async (t) => {
    for (const [ranks, flips] of [
      [2, 1],
      [3, 0],
    ]) {
      const trainings = [twoNorms, stateless].flatMap((fields) =>
        [flips, undefined].map((flips) => ({
          ...{ fields, threads: 1, kernels: 'wasm' as KernelSet, windows: false },
          ...(flips === undefined ? {} : { flips }),
        })),
      );
      const results = await trainOnRanks(t, mpiruns[0], ranks, trainings);
      for (const [i, { fields, flips }] of trainings.entries()) {
        const { bits, error } = results[i];
        if (flips === undefined) t.strictSame(bits, await bitsAlone(fields), 'the next one is good');
        else t.match(error, { code: 'DOUBT', message: /^rank 1 .* after step [01]: a bit has flipped/ });
      }
    }
  },
);

t.test('a published digest comes of 3 ranks', { skip: mpiruns.length === 0 && 'no mpirun' }, async (t) => {
  const published = publishedDigests.filter(({ fields }) => (fields.trainSamples ?? 60_000) <= 2000);
  t.ok(published.length >= 4);
  const trainings = published.map(({ recipe, fields }, i) => ({
    fields: { ...builtInFields(recipe), ...fields },
    threads: 1 + (i % 2),
    kernels: kernelSets[0],
    windows: i % 4 < 2,
  }));
  const results = await trainOnRanks(t, mpiruns[0], 3, trainings, null);
  for (const [i, { bits }] of results.entries()) {
    t.equal(bits.recipeId, published[i].recipeId);
    t.equal(bits.weightsDigest, published[i].weightsDigest, published[i].recipe);
  }
});
