/** Lockstep as a library: what the package's entry exports, used as a program would use it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type DataInMemory,
  evaluate,
  type LockstepError,
  loadModel,
  type StepReport,
  type TrainOptions,
  train,
} from '../../scripts/index.ts';
import { randomNumbers } from '../helpers/reference/random-data.ts';
import { refusal } from '../helpers/refusal.ts';

t.setTimeout(60_000);

const random = randomNumbers(20261123);
const samplesOf = (count: number) => {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  const images = Uint8Array.from({ length: count * 784 }, (_, i) => {
    const bright = Math.floor((i % 784) / 56) === labels[Math.floor(i / 784)];
    return (bright ? 200 : 50) + 40 * random();
  });
  return { images, labels };
};
const data: DataInMemory = { train: samplesOf(60), test: samplesOf(30) };
/** Four steps an epoch, the last of 12 samples. */
const options = {
  data,
  model: 'dense(16) batchnorm relu dense(10)',
  batchSize: 16,
  epochs: 2,
  threads: 2,
} satisfies TrainOptions;

t.test('trains on data in memory and gives back the model and its summary', async (t) => {
  const { model, summary } = await train(options);
  t.match(summary, { epochs: 2, steps: 8, threads: 2, stoppedBy: null, weightsDigest: model.weightsDigest });
  t.ok(summary.trainLoss[1] < summary.trainLoss[0]);
  t.equal(model.recipe.model, options.model);
  t.equal(
    (await train({ ...options, threads: 1 })).summary.stateDigest,
    summary.stateDigest,
    'on one thread too',
  );
  t.equal(
    (await train({ ...options, seed: undefined })).summary.stateDigest,
    summary.stateDigest,
    'undefined is not given',
  );
});

t.test('callbacks hear of every step and epoch, and change no bit', async (t) => {
  const heard: StepReport[] = [];
  const bunches: StepReport[] = [];
  const epochs: number[] = [];
  const { summary } = await train({
    ...options,
    onStep: (report) => void heard.push(report),
    onSteps: (reports) => void bunches.push(...reports),
    onEpoch: async ({ epoch }) => void epochs.push(epoch),
  });
  t.same(
    heard.map(({ step, samples }) => [step, samples]),
    Array.from({ length: 8 }, (_, i) => [i + 1, i % 4 === 3 ? 12 : 16]),
  );
  t.same(bunches, heard);
  t.same(epochs, [1, 2]);
  t.equal(summary.stateDigest, (await train(options)).summary.stateDigest);
});

t.test('a callback stops the run by giving back false, at once or later', async (t) => {
  const digests = new Set<string>();
  for (const answer of [(step: number) => step < 3, async (step: number) => step < 3]) {
    const { summary } = await train({ ...options, onStep: ({ step }) => answer(step) });
    t.match(summary, { steps: 3, epochs: 0, stoppedBy: 'callback' });
    digests.add(summary.stateDigest);
  }
  t.equal(digests.size, 1);
  const { summary } = await train({ ...options, epochs: 5, onEpoch: async ({ epoch }) => epoch !== 2 });
  t.match(summary, { steps: 8, epochs: 2, stoppedBy: 'callback' });
  t.equal(
    summary.weightsDigest,
    (await train(options)).summary.weightsDigest,
    'as if it had been two epochs',
  );
  const undefinedGoesOn = await train({ ...options, onStep: () => undefined });
  t.equal(undefinedGoesOn.summary.stoppedBy, null);
});

t.test('a callback that throws ends the run with its own error', async (t) => {
  const error = new Error('mine');
  const throwing = () => {
    throw error;
  };
  for (const hooks of [
    { onStep: throwing },
    { onEpoch: throwing },
    { onStart: throwing },
    { onStep: () => Promise.reject(error) },
    { onEpoch: () => Promise.reject(error) },
  ]) {
    await t.rejects(train({ ...options, ...hooks }), error, Object.keys(hooks)[0]);
  }
});

t.test('an AbortSignal stops it after the step', async (t) => {
  const controller = new AbortController();
  const { summary } = await train({
    ...options,
    epochs: 1000,
    signal: controller.signal,
    onStep: ({ step }) => {
      if (step === 5) controller.abort();
    },
  });
  t.match(summary, { stoppedBy: 'signal', steps: 5, epochs: 1 });
  const before = await train({ ...options, signal: AbortSignal.abort() });
  t.match(before.summary, { stoppedBy: 'signal', steps: 0 }, 'aborted before: no step');
  const initial = await train({ ...options, epochs: 0 });
  t.equal(before.model.weightsDigest, initial.model.weightsDigest, 'the initial model');
});

t.test('predicts labels with probabilities', async (t) => {
  const { model } = await train({ ...options, epochs: 20 });
  const { images, labels } = data.test;
  const predictions = model.predict(images);
  t.equal(predictions.length, 30);
  let right = 0;
  for (const [i, { label, probabilities }] of predictions.entries()) {
    t.equal(probabilities.length, 10);
    t.equal(label, probabilities.indexOf(Math.max(...probabilities)), 'the most probable');
    // p_i = e_i ÷ Σ e: the binary32 sum of ten terms is within 9 · 2⁻²⁴ of the true one, each quotient
    // within 2⁻²⁴ of its own; exp's error cancels, the same e_i stand above and below.
    const sum = probabilities.reduce((total, p) => total + p, 0);
    t.ok(Math.abs(sum - 1) <= 10 * 2 ** -24, `they sum to ${sum}`);
    if (label === labels[i]) right++;
  }
  const { accuracy, confusion } = await evaluate(model, { data });
  t.equal(right / 30, accuracy, 'as evaluate counts');
  t.equal(
    confusion.flat().reduce((a, b) => a + b),
    30,
  );
  t.same(model.predict(images.subarray(784, 1568)), [predictions[1]], 'one image alone gives the same');
  const many = new Uint8Array(300 * 784);
  for (let i = 0; i < 10; i++) many.set(images, i * images.length);
  t.same(model.predict(many).slice(270), predictions, 'and so do many, beyond what is computed at once');
  t.same(model.predict(new Uint8Array(0)), []);
  for (const length of [1, 783, 785]) {
    t.match(
      refusal(() => model.predict(new Uint8Array(length))),
      `images: got ${length} bytes, expected a multiple of 784`,
    );
  }
});

t.test('evaluation gives the same again and leaves the model as it is', async (t) => {
  const { model, summary } = await train(options);
  const first = await evaluate(model, { data });
  t.strictSame(await evaluate(model, { data, kernels: 'exact' }), first, 'with exact kernels too');
  t.match(first, { samples: 30, loss: summary.testLoss, accuracy: summary.testAccuracy });
  t.equal(loadModel(saved(t.testdir(), model)).weightsDigest, summary.weightsDigest);
  t.equal((await evaluate(model, { data, split: 'train' })).samples, 60);
});

const saved = (folder: string, model: { save(path: string): void }): string => {
  model.save(join(folder, 'a', 'm.safetensors'));
  return join(folder, 'a', 'm.safetensors');
};

t.test('a model survives the way to disk and back', async (t) => {
  const { model } = await train(options);
  const path = saved(t.testdir(), model);
  const loaded = loadModel(path);
  t.equal(loaded.weightsDigest, model.weightsDigest);
  t.same(loaded.recipe, model.recipe);
  t.same(loaded.predict(data.test.images), model.predict(data.test.images));
  const again = saved(t.testdir(), loaded);
  t.ok(readFileSync(again).equals(readFileSync(path)), 'saved again it is the same file');
});

t.test('running statistics can be reset; the model they are taken from keeps them', async (t) => {
  const { model } = await train(options);
  const before = model.weightsDigest;
  const fresh = model.resetRunningStats();
  t.not(fresh.weightsDigest, before);
  t.equal(loadModel(saved(t.testdir(), model)).weightsDigest, before);
  t.ok(fresh.snapshot.tensors.get('1.running_mean')?.every((value) => value === 0));
  t.ok(fresh.snapshot.tensors.get('1.running_var')?.every((value) => value === 1));
  t.same([...fresh.snapshot.counters.values()], [0n]);
  t.same(fresh.snapshot.tensors.get('0.weight'), model.snapshot.tensors.get('0.weight'));
});

t.test('training goes on from a model', async (t) => {
  const { model: initial } = await train({ ...options, epochs: 0 });
  const straight = await train(options);
  const from = await train({ ...options, from: initial });
  t.equal(from.model.weightsDigest, straight.model.weightsDigest);
  t.equal(from.model.recipe.init, `sha256:${initial.weightsDigest}`);
  const { model: _, ...others } = options;
  const implied = await train({ ...others, from: initial });
  t.equal(implied.model.recipe.model, options.model, 'its layers are taken over');
  t.equal(implied.summary.recipeId, from.summary.recipeId);
  const path = saved(t.testdir(), straight.model);
  const further = await train({ ...options, from: loadModel(path), epochs: 1 });
  t.ok(further.summary.trainLoss[0] < straight.summary.trainLoss[1]);
  const error = (await train({ ...options, from: initial, model: 'dense(10)' }).catch(
    (e) => e,
  )) as LockstepError;
  t.match(error, {
    code: 'USAGE',
    message: /^train: init: the model to start from has other tensors than "dense\(10\)"/,
  });
});
