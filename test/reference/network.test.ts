/** What finite differences and PyTorch do not say about the reference, by numbers worked out by hand. */

import t from 'tap';
import { type Layer, tensorNamed } from '../helpers/reference/layers.ts';
import { ReferenceNetwork, type ReferenceOptions } from '../helpers/reference/network.ts';
import { randomBatch, randomNumbers, randomTensors } from '../helpers/reference/random-data.ts';

const options: ReferenceOptions = {
  batchNorm: 'sync',
  shardSize: 2,
  learningRate: 0.5,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
};
const batchNorm = (unbiased: boolean): Layer[] => [
  { kind: 'batchnorm', features: 2, momentum: 0.75, epsilon: 0.5, unbiased },
];
const initial = new Map([
  ['0.weight', [2, 1]],
  ['0.bias', [0.5, 0]],
  ['0.running_mean', [1, 1]],
  ['0.running_var', [4, 4]],
]);
/** three samples: means 2 and 0, sums of squared distances 8 and 0 */
const x = [0, 0, 2, 0, 4, 0];
const labels = [0, 1, 1];

for (const batchNormMode of ['sync', 'ghost'] as const) {
  t.test(`${batchNormMode}: running statistics move once a step, by the moments of the whole batch`, (t) => {
    const biased = new ReferenceNetwork(batchNorm(false), initial, { ...options, batchNorm: batchNormMode });
    biased.trainStep(x, labels);
    t.same([...tensorNamed(biased.tensors, '0.running_mean')], [1.25, 0.75]);
    near(t.ok, tensorNamed(biased.tensors, '0.running_var'), [3 + 8 / 12, 3]);

    const unbiased = new ReferenceNetwork(batchNorm(true), initial, { ...options, batchNorm: batchNormMode });
    unbiased.trainStep(x, labels);
    near(t.ok, tensorNamed(unbiased.tensors, '0.running_var'), [3 + 8 / 8, 3]);
    t.end();
  });
}

t.test('a batch of one sample is normalised to the shift, and has variance 0 either way', (t) => {
  for (const unbiased of [false, true]) {
    const network = new ReferenceNetwork(batchNorm(unbiased), initial, options);
    t.same([...network.forward([7, -7], 1)[1]], [0.5, 0]);
    t.same([...network.gradients([7, -7], [0]).input], [0, 0]);
    network.trainStep([7, -7], [0]);
    t.same([...tensorNamed(network.tensors, '0.running_var')], [3, 3]);
  }
  t.end();
});

t.test('ghost normalises every shard by itself, the last one of a single sample', (t) => {
  const network = new ReferenceNetwork(batchNorm(false), initial, { ...options, batchNorm: 'ghost' });
  const step = 2 / Math.sqrt(1.5);
  near(t.ok, network.forward(x, 3)[1], [0.5 - step, 0, 0.5 + step, 0, 0.5, 0]);
  t.end();
});

t.test('evaluation goes by the running statistics, and neither it nor gradients() changes anything', (t) => {
  const network = new ReferenceNetwork(batchNorm(false), initial, options);
  // the logits are (4 − 1) ÷ √(4 + 0.5) · 2 + 0.5 and (1 − 1) ÷ √(4 + 0.5)
  const { loss, correct } = network.evaluate([4, 1], [0]);
  near(t.ok, [loss], [Math.log(1 + Math.exp(-(6 / Math.sqrt(4.5) + 0.5)))]);
  t.equal(correct, 1);
  network.gradients(x, labels);
  for (const [name, values] of initial) t.same([...tensorNamed(network.tensors, name)], values);
  t.end();
});

t.test('a ghost shard as large as the batch is sync', (t) => {
  const random = randomNumbers(5);
  const layers: Layer[] = [
    { kind: 'dense', inputs: 3, outputs: 2 },
    { kind: 'batchnorm', features: 2, momentum: 0.75, epsilon: 0.5, unbiased: true },
  ];
  const tensors = randomTensors(layers, random);
  const batch = randomBatch(6, 3, 2, random);
  const states = (['sync', 'ghost'] as const).map((mode): number[] => {
    const network = new ReferenceNetwork(layers, tensors, { ...options, batchNorm: mode, shardSize: 6 });
    network.trainStep(batch.x, batch.labels);
    return [...network.tensors.values()].flatMap((values) => [...values]);
  });
  t.equal(states[0].length, 6 + 2 + 4 * 2);
  t.same(states[0], states[1]);
  t.end();
});

t.test('momentum, nesterov, weight decay and a given learning rate enter the update as defined', (t) => {
  // With one class the loss is 0 whatever the weights, so the decay is the whole gradient: g = 0.5 · w.
  const layers: Layer[] = [{ kind: 'dense', inputs: 1, outputs: 1 }];
  const start = new Map([
    ['0.weight', [8]],
    ['0.bias', [0]],
  ]);
  const after = (changes: Partial<ReferenceOptions>, rates: (number | undefined)[]): number => {
    const network = new ReferenceNetwork(layers, start, { ...options, weightDecay: 0.5, ...changes });
    for (const rate of rates) network.trainStep([1], [0], rate);
    return tensorNamed(network.tensors, '0.weight')[0];
  };
  t.equal(after({}, [undefined]), 6, '8 − 0.5 · 4');
  t.equal(after({}, [0.25]), 7, '8 − 0.25 · 4');
  t.equal(after({ momentum: 0.5 }, [undefined, undefined]), 3.5, 'v = 4, then 0.5 · 4 + 3 = 5');
  t.equal(after({ momentum: 0.5, nesterov: true }, [undefined]), 5, 'd = 4 + 0.5 · 4');
  t.equal(after({ nesterov: true }, [undefined]), 6, 'without momentum, d = g');
  t.end();
});

t.test('wrong tensors, widths and labels are refused by name', (t) => {
  const layers = batchNorm(false);
  const without = new Map([...initial].filter(([name]) => name !== '0.bias'));
  t.throws(() => new ReferenceNetwork(layers, without, options), { message: /0\.bias: got no values/ });
  const surplus = new Map([...initial, ['1.weight', [1]]] as const);
  t.throws(() => new ReferenceNetwork(layers, surplus, options), { message: /1\.weight/ });
  const network = new ReferenceNetwork(layers, initial, options);
  t.throws(() => network.gradients([1, 2, 3], [0]), { message: /layer 0: got 3 values/ });
  t.throws(() => network.gradients([1, 2], [2]), { message: /label of sample 0: got 2/ });
  t.end();
});

/** Equal up to the rounding of the few operations that lead to a value of about 1. */
function near(
  ok: (pass: boolean, message: string) => boolean,
  ours: ArrayLike<number>,
  wanted: number[],
): void {
  const error = Math.max(...wanted.map((value, i) => Math.abs(ours[i] - value)));
  ok(ours.length === wanted.length && error <= 8 * Number.EPSILON, `${error} off ${wanted.join(', ')}`);
}
