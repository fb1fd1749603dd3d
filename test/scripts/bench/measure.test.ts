/** A training that runs when it is asked to. */
import t from 'tap';
import { benchSamples, type Configuration, Measurement } from '../../../scripts/bench/measure.ts';
import type { DatasetSource } from '../../../shared/data/dataset.ts';
import { LockstepError } from '../../../shared/errors.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { draftRecipe } from '../../../shared/recipe/resolve.ts';
import { phases } from '../../../shared/timeline.ts';
import { label, syntheticDataset } from '../../helpers/train.ts';

const few = syntheticDataset(3, 60, 20);

function configuration(source: DatasetSource, more: Partial<Configuration> = {}): Configuration {
  return {
    draft: draftRecipe({ model: 'dense(6) batchnorm relu dense(10)', batchSize: 20 }, label),
    source,
    kernels: loadKernels('auto'),
    threads: 1,
    label,
    ...more,
  };
}

t.test('samples come in whole batches, again from the beginning where they are few', async (t) => {
  const all = { images: new Uint8Array(60 * 784), labels: new Uint8Array(60) };
  await few.load('train', all.images, all.labels);
  for (const [batchSize, count] of [
    [64, 8192],
    [100, 8100],
    [10_000, 10_000],
  ]) {
    const source = await benchSamples(few, batchSize);
    t.equal(source.samples.train, count);
    const images = new Uint8Array(count * 784);
    const labels = new Uint8Array(count);
    await source.load('train', images, labels);
    for (const sample of [0, 59, 60, 61, count - 1]) {
      const at = (sample % 60) * 784;
      t.same(images.slice(sample * 784, (sample + 1) * 784), all.images.slice(at, at + 784));
      t.equal(labels[sample], all.labels[sample % 60]);
    }
  }
});

for (const threads of [1, 2]) {
  t.test(`it trains whole steps, as many as were asked for, on ${threads} threads`, async (t) => {
    const measurement = await Measurement.start(configuration(few, { threads }));
    t.teardown(() => measurement.close());
    let samples = 0;
    // 60 samples are 3 steps: many epochs.
    for (let turn = 0; turn < 10; turn++) {
      const reading = await measurement.run(0.001);
      t.equal(reading.samples % 20, 0, 'whole batches');
      t.ok(reading.seconds >= 0.001, 'for so long');
      samples += reading.samples;
    }
    t.ok(samples >= 10 * 20);
  });
}

t.test('with a profile it says where the seconds of a step went', async (t) => {
  const measurement = await Measurement.start(configuration(few, { threads: 2, profile: true }));
  t.teardown(() => measurement.close());
  const found = await measurement.profile(0.001);
  t.same(Object.keys(found), [...phases]);
  for (const phase of phases)
    t.ok(found[phase] > 0 && Number.isFinite(found[phase]), `${phase}: ${found[phase]} s`);
});

t.test('a training that diverges says so', async (t) => {
  const draft = draftRecipe(
    { model: 'dense(6) relu dense(10)', optimizer: 'sgd(lr=1e38)', batchSize: 20 },
    label,
  );
  const measurement = await Measurement.start(configuration(few, { draft }));
  t.teardown(() => measurement.close());
  const error = await measurement.run(1).catch((thrown: unknown) => thrown);
  t.ok(error instanceof LockstepError && error.code === 'DIVERGED');
  t.match(String(error), /diverged \(batch 20, [\w:]+ kernels\): NaN or infinity in .*sgd\(lr=1e\+38\)/);
});
