/** The published digests of small recipes, on every number of threads and with every set of kernels. */
import t from 'tap';
import { type DataInMemory, train } from '../../scripts/index.ts';
import { digestOf, nameOf, publishedDigests } from '../../scripts/recipes/digests.ts';
import { openDataset } from '../../shared/data/dataset.ts';
import { type KernelSet, kernelChoices, runnableKernels } from '../../shared/kernels/load.ts';

t.setTimeout(180_000);

const small = publishedDigests.filter(
  ({ fields }) => (fields.trainSamples ?? Number.POSITIVE_INFINITY) <= 5000,
);

const kernelSets = runnableKernels();
for (const set of kernelChoices.slice(2).filter((choice) => !kernelSets.some((set) => set === choice))) {
  t.comment(`NOT TESTED: ${set} kernels cannot run here`);
}

t.test('digests are published once for each recipe, and found by its id', (t) => {
  t.ok(small.length >= 2, `${small.length} of ${publishedDigests.length} are small`);
  t.ok(
    small.some(({ fields }) => fields.batchNorm === 'ghost'),
    'one of them with ghost batch norm',
  );
  t.equal(new Set(publishedDigests.map(({ recipeId }) => recipeId)).size, publishedDigests.length);
  t.equal(new Set(publishedDigests.map(({ weightsDigest }) => weightsDigest)).size, publishedDigests.length);
  for (const { recipeId, weightsDigest } of publishedDigests) t.equal(digestOf(recipeId), weightsDigest);
  t.equal(digestOf('0'.repeat(64)), null);
  t.end();
});

/**
 * MNIST with the first 100 of its test images. The recipe id is another one, but not a weight may be: the test
 * images are only looked at. With exact kernels, looking at all of them would take many times as long as training.
 */
async function mnistWithShortTest(): Promise<DataInMemory> {
  const source = openDataset('mnist');
  const read = async (split: 'train' | 'test', samples: number) => {
    const images = new Uint8Array(source.samples[split] * 784);
    const labels = new Uint8Array(source.samples[split]);
    await source.load(split, images, labels);
    return { images: images.subarray(0, samples * 784), labels: labels.subarray(0, samples) };
  };
  return { train: await read('train', source.samples.train), test: await read('test', 100) };
}

/** Every number with the set that is taken by itself; that the others agree on any number is held by same-bits.test.ts. */
const threadCounts = (kernels: KernelSet) => (kernels === kernelSets[0] ? [1, 2, 3, 5, 8] : [1, 3]);

for (const { recipe, fields, ...published } of small) {
  t.test(nameOf({ recipe, fields }), async (t) => {
    const data = await mnistWithShortTest();
    for (const kernels of kernelSets) {
      for (const threads of threadCounts(kernels)) {
        const short = await train({ recipe, ...fields, data, threads, kernels });
        t.equal(
          short.model.weightsDigest,
          published.weightsDigest,
          `${threads} threads, ${kernels}: the digest`,
        );
        t.equal(short.summary.kernels, kernels, 'by these kernels');
        const { batchSize, shardSize } = short.model.recipe;
        const busy = short.summary.work.filter(({ shards }) => shards > 0).length;
        const shards = Math.ceil(batchSize / shardSize);
        t.ok(busy >= Math.min(threads, shards), `shared by ${busy} threads, ${shards} shards a step`);
      }
    }
    const { summary } = await train({ recipe, ...fields, threads: 2 });
    const { recipeId, weightsDigest, testAccuracy } = summary;
    t.match({ recipeId, weightsDigest, testAccuracy }, published, 'all that is published');
  });
}
