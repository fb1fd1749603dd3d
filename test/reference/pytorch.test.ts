/**
 * The reference against PyTorch, both in binary64, from the same start over the same batches.
 *
 * Both do the same operations in other orders, so they differ by rounding alone. What is added up on the way
 * to a value bounds that: TERMS in each of LAYERS, forth and back, STEPS times, each off by ε. Rounding
 * errors mostly cancel, so the bound leaves room for what batch norm and momentum enlarge. It is in units
 * of the largest value of a tensor; in binary64 a wrong formula is off by a million times as much.
 */

import t, { type Test } from 'tap';
import { type Layer, tensorNamed } from '../helpers/reference/layers.ts';
import { ReferenceNetwork, type ReferenceOptions } from '../helpers/reference/network.ts';
import { randomBatch, randomNumbers, randomTensors } from '../helpers/reference/random-data.ts';
import { DEADLINE_MS, findTorch, trainWithTorch } from '../helpers/torch/judge.ts';
import { encodeSafetensors } from '../helpers/torch/safetensors.ts';

const SEED = 20161003;
const FEATURES = 40;
const CLASSES = 10;
/** 3 batches of 16 and one of 11, so 20 steps are 5 epochs */
const SAMPLES = 59;
const BATCH_SIZE = 16;
const STEPS = 20;

const TERMS = FEATURES;
const LAYERS = 7;
const EPSILON = { float64: 2 ** -52, float32: 2 ** -23 };
type Precision = keyof typeof EPSILON;
const toleranceIn = (dtype: Precision): number => TERMS * 2 * LAYERS * STEPS * EPSILON[dtype];

const dense = (inputs: number, outputs: number): Layer => ({ kind: 'dense', inputs, outputs });
const batchNorm = (features: number, unbiased = true): Layer => ({
  kind: 'batchnorm',
  features,
  momentum: 0.9,
  epsilon: 1e-5,
  unbiased,
});
const [sigmoid, relu, tanh]: Layer[] = [{ kind: 'sigmoid' }, { kind: 'relu' }, { kind: 'tanh' }];
const affine: Layer = { kind: 'affine', slope: -1.75, intercept: 0.375 };

const plain: ReferenceOptions = {
  batchNorm: 'sync',
  shardSize: 16,
  learningRate: 0.1,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
};
const note = [dense(FEATURES, 20), sigmoid, batchNorm(20), dense(20, CLASSES)];
const deep = [
  dense(FEATURES, 20),
  batchNorm(20),
  relu,
  dense(20, 15),
  batchNorm(15),
  relu,
  dense(15, CLASSES),
];
const biased = deep.map((layer) => (layer.kind === 'batchnorm' ? batchNorm(layer.features, false) : layer));
const mixed = [
  batchNorm(FEATURES),
  affine,
  dense(FEATURES, 20),
  tanh,
  dense(20, CLASSES),
  affine,
  batchNorm(CLASSES),
];

type Case = { name: string; layers: Layer[]; options: ReferenceOptions; dtype?: Precision };
const cases: Case[] = [
  { name: 'dense sigmoid batchnorm dense', layers: note, options: plain },
  { name: 'the same with momentum', layers: note, options: { ...plain, momentum: 0.9 } },
  { name: 'the same with weight decay', layers: note, options: { ...plain, weightDecay: 0.01 } },
  { name: 'the same in binary32', layers: note, options: plain, dtype: 'float32' },
  { name: 'two batch norms before relu', layers: deep, options: plain },
  {
    name: 'two batch norms, nesterov and weight decay',
    layers: deep,
    options: { ...plain, momentum: 0.9, nesterov: true, weightDecay: 0.001 },
  },
  { name: 'batch norm first and last, tanh, affine', layers: mixed, options: { ...plain, momentum: 0.5 } },
  { name: 'biased running variances', layers: biased, options: plain },
  {
    name: 'ghost batch norm, the last shard a single sample',
    layers: deep,
    options: { ...plain, batchNorm: 'ghost', shardSize: 5 },
  },
  {
    name: 'ghost batch norm with momentum, biased running variances',
    layers: biased,
    options: { ...plain, batchNorm: 'ghost', shardSize: 4, momentum: 0.9 },
  },
];

t.setTimeout((cases.length + 3) * DEADLINE_MS);

t.test(`the reference trains as PyTorch does, over ${STEPS} steps (seed ${SEED})`, async (t) => {
  const torch = await findTorch();
  if (torch.python === null) {
    t.pass(`PyTorch IS NOT HERE, so the reference was NOT compared with it: ${torch.reason}`);
    return;
  }
  const { python } = torch;
  t.comment(`PyTorch ${torch.version} by ${python}`);
  for (const one of cases) await t.test(one.name, (t) => compare(t, python, one));

  await t.test('a state dict with a tensor missing is refused', async (t) => {
    const tensors = randomTensors(deep, randomNumbers(SEED));
    const initial = encodeSafetensors(note, randomTensors(note, randomNumbers(SEED)));
    t.equal(tensors.has('1.weight'), true, 'the model wants 1.weight, the file has none');
    const job = {
      ...plain,
      layers: deep,
      initial,
      batchSize: BATCH_SIZE,
      steps: 1,
      dtype: 'float64',
    } as const;
    const data = { inputs: new Float32Array(FEATURES), labels: new Uint8Array(1) };
    await t.rejects(trainWithTorch(python, { ...job, ...data }), { code: 'TORCH_FAILED' });
  });
});

t.test('without PyTorch, the reason is given', async (t) => {
  const torch = await findTorch(['/no/such/python']);
  t.match(torch, { python: null, reason: /\/no\/such\/python: .*ENOENT/ });
});

async function compare(t: Test, python: string, { layers, options, dtype = 'float64' }: Case): Promise<void> {
  const random = randomNumbers(SEED);
  const tensors = randomTensors(layers, random);
  const { x, labels } = randomBatch(SAMPLES, FEATURES, CLASSES, random);
  const initial = encodeSafetensors(layers, tensors);
  const data = { inputs: x, labels, batchSize: BATCH_SIZE, steps: STEPS };
  const judged = await trainWithTorch(python, { ...options, ...data, layers, initial, dtype });

  const network = new ReferenceNetwork(layers, tensors, options);
  const losses: number[] = [];
  let start = 0;
  while (losses.length < STEPS) {
    const end = Math.min(start + BATCH_SIZE, SAMPLES);
    const batch = x.subarray(start * FEATURES, end * FEATURES);
    losses.push(network.trainStep(batch, labels.subarray(start, end)));
    start = end % SAMPLES;
  }

  const tolerance = toleranceIn(dtype);
  const agree = (what: string, ours: ArrayLike<number>, theirs: ArrayLike<number>): void => {
    const error = relativeError(ours, theirs);
    t.ok(error <= tolerance, `${what}: ${error} off, at most ${tolerance} allowed`);
  };
  agree('loss of every step', losses, judged.losses);
  t.same([...network.tensors.keys()], [...judged.tensors.keys()], 'the tensors have the same order');
  for (const [tensor, values] of network.tensors) {
    agree(tensor, values, tensorNamed(judged.tensors, tensor));
    // A batch norm takes the bias before it off again, so a bias may have the gradient 0.
    if (tensor.endsWith('.bias')) continue;
    const moved = relativeError(values, tensorNamed(tensors, tensor));
    t.ok(moved > 10 * tolerance, `${tensor} was trained: it moved by ${moved}`);
  }
  const evaluation = network.evaluate(x, labels);
  agree('loss in evaluation', [evaluation.loss], [judged.evaluation.loss]);
  t.equal(evaluation.correct, judged.evaluation.correct, 'as many hits in evaluation');
}

/** The largest difference of any element, in units of the largest element of `theirs`. */
function relativeError(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    difference = Math.max(difference, Math.abs(ours[i] - theirs[i]));
    largest = Math.max(largest, Math.abs(theirs[i]));
  }
  return difference / largest;
}
