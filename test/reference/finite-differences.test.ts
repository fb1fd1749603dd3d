/**
 * The gradients of the reference against central finite differences of its loss, in binary64.
 *
 * D(h) = (f(v + h) − f(v − h)) ÷ 2h misses f′ by
 *   - truncation: h² ÷ 6 · |f‴|, and
 *   - rounding: each f is off by some ROUNDINGS · ε, so D(h) by at most ROUNDINGS · ε ÷ h.
 * Their sum is least about h = ∛ε ≈ 6e−6, and it is the tolerance. ROUNDINGS = 8 is ample for losses below 4
 * that are means of at most 8 samples. THIRD_DERIVATIVE bounds |f‴|: D(2h) − D(h) = h² ÷ 2 · f‴ measures it,
 * and the tests assert it. (f‴ grows with 1 ÷ σ³, so the batch norms here have a large epsilon.)
 *
 * At relu's kink a difference says nothing, so no step may cross one. That is asserted for every step;
 * the seed is such that it holds, and no value is left out.
 */

import t from 'tap';
import { type Layer, tensorNamed } from '../helpers/reference/layers.ts';
import { ReferenceNetwork } from '../helpers/reference/network.ts';
import { randomBatch, randomNumbers, randomTensors } from '../helpers/reference/random-data.ts';

const STEP = Math.cbrt(Number.EPSILON);
const THIRD_DERIVATIVE = 50;
const ROUNDINGS = 8;
const TOLERANCE = (STEP ** 2 / 6) * THIRD_DERIVATIVE + (ROUNDINGS * Number.EPSILON) / STEP;
/** D(2h) − D(h) is off by the rounding of both: 1 and 1/2 of the bound above, over h² ÷ 2 */
const THIRD_DERIVATIVE_NOISE = (3 * ROUNDINGS * Number.EPSILON) / STEP ** 3;

const SEED = 20150211;
const FEATURES = 4;
const CLASSES = 3;
const SHARD_SIZE = 3;

const dense = (inputs: number, outputs: number): Layer => ({ kind: 'dense', inputs, outputs });
const batchNorm = (features: number): Layer => ({
  kind: 'batchnorm',
  features,
  momentum: 0.9,
  epsilon: 0.1,
  unbiased: false,
});
const [sigmoid, relu, tanh]: Layer[] = [{ kind: 'sigmoid' }, { kind: 'relu' }, { kind: 'tanh' }];
const affine: Layer = { kind: 'affine', slope: -1.75, intercept: 0.375 };

const networks: Record<string, Layer[]> = {
  'one dense layer': [dense(FEATURES, CLASSES)],
  'dense layers in a row': [dense(FEATURES, 5), dense(5, 2), dense(2, CLASSES)],
  sigmoid: [dense(FEATURES, 5), sigmoid, dense(5, CLASSES)],
  relu: [dense(FEATURES, 5), relu, dense(5, CLASSES)],
  tanh: [dense(FEATURES, 5), tanh, dense(5, CLASSES)],
  affine: [dense(FEATURES, 5), affine, dense(5, CLASSES)],
  'an activation first': [relu, dense(FEATURES, CLASSES)],
  'an activation last': [dense(FEATURES, CLASSES), affine],
  'activations in a row': [dense(FEATURES, 5), tanh, affine, sigmoid, relu, dense(5, CLASSES)],
  'batch norm first': [batchNorm(FEATURES), dense(FEATURES, CLASSES)],
  'batch norm last': [dense(FEATURES, CLASSES), batchNorm(CLASSES)],
  'batch norm after the activation': [dense(FEATURES, 5), sigmoid, batchNorm(5), dense(5, CLASSES)],
  'batch norm before the activation': [dense(FEATURES, 5), batchNorm(5), relu, dense(5, CLASSES)],
  'batch norms in a row': [dense(FEATURES, 5), batchNorm(5), batchNorm(5), tanh, dense(5, CLASSES)],
  'everything at once': [
    batchNorm(FEATURES),
    tanh,
    dense(FEATURES, 5),
    batchNorm(5),
    relu,
    affine,
    dense(5, 4),
    sigmoid,
    batchNorm(4),
    dense(4, CLASSES),
    batchNorm(CLASSES),
  ],
};

const batches = [
  { mode: 'sync', rows: 7, what: 'the whole batch as one group' },
  { mode: 'ghost', rows: 7, what: 'shards of 3, 3 and a single sample' },
  { mode: 'ghost', rows: 8, what: 'shards of 3, 3 and 2' },
  { mode: 'ghost', rows: 2, what: 'a batch smaller than a shard' },
  { mode: 'sync', rows: 1, what: 'a batch of a single sample' },
] as const;

t.comment(`seed ${SEED}, step ${STEP}, tolerance ${TOLERANCE}`);

for (const { mode, rows, what } of batches) {
  for (const [name, layers] of Object.entries(networks)) {
    t.test(`${name}, ${mode}, ${what}: gradients are the slopes of the loss`, (t) => {
      const random = randomNumbers(SEED);
      const network = new ReferenceNetwork(layers, randomTensors(layers, random), {
        batchNorm: mode,
        shardSize: SHARD_SIZE,
        learningRate: 0.1,
        momentum: 0,
        nesterov: false,
        weightDecay: 0,
      });
      const { x, labels } = randomBatch(rows, FEATURES, CLASSES, random);
      const input = Float64Array.from(x);
      const { tensors, input: dInput } = network.gradients(input, labels);

      const sidesBefore = reluSides(network, input, rows);
      let crossings = 0;
      const lossWith = (values: Float64Array, i: number, value: number): number => {
        const kept = values[i];
        values[i] = value;
        const { loss } = network.gradients(input, labels);
        if (reluSides(network, input, rows) !== sidesBefore) crossings += 1;
        values[i] = kept;
        return loss;
      };
      const slope = (values: Float64Array, i: number, step: number): number => {
        const above = values[i] + step;
        const below = values[i] - step;
        return (lossWith(values, i, above) - lossWith(values, i, below)) / (above - below);
      };

      const pairs: [string, Float64Array, Float64Array][] = [['input', input, dInput]];
      for (const tensor of network.trainable) {
        pairs.push([tensor, tensorNamed(network.tensors, tensor), tensorNamed(tensors, tensor)]);
      }
      let largest = 0;
      for (const [tensor, values, gradient] of pairs) {
        let error = 0;
        let third = 0;
        for (let i = 0; i < values.length; i++) {
          const near = slope(values, i, STEP);
          largest = Math.max(largest, Math.abs(gradient[i]));
          error = Math.max(error, Math.abs(near - gradient[i]));
          third = Math.max(third, (2 * Math.abs(slope(values, i, 2 * STEP) - near)) / STEP ** 2);
        }
        t.equal(gradient.length, values.length, `${tensor} has a gradient for every value`);
        t.ok(error <= TOLERANCE, `${tensor}: ${error} off, at most ${TOLERANCE} allowed`);
        t.ok(third <= THIRD_DERIVATIVE + THIRD_DERIVATIVE_NOISE, `${tensor}: third derivatives to ${third}`);
      }
      t.ok(largest > 1e6 * TOLERANCE, `the gradients, up to ${largest}, are far above the tolerance`);
      t.equal(crossings, 0, 'no step crosses a kink of relu');
      t.end();
    });
  }
}

/** For every input of every relu, whether it is above 0, as a string of 0 and 1. */
function reluSides(network: ReferenceNetwork, x: Float64Array, rows: number): string {
  const outputs = network.forward(x, rows);
  return network.layers
    .flatMap((layer, index) => (layer.kind === 'relu' ? [...outputs[index]] : []))
    .map((value) => (value > 0 ? '1' : '0'))
    .join('');
}
