/**
 * Batch normalisation in binary64 (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167).
 *
 * In training the samples fall into groups, and each group is normalised with its own mean and variance:
 * one group with the whole batch (`sync`), or one a shard (`ghost`).
 */

import type { BatchNormLayer } from './layers.ts';

/** The rows from `start` up to, not including, `end`. */
export type Group = { start: number; end: number };

/** The groups of a batch of `rows` samples; the last shard may be shorter than the others. */
export function groupsOf(rows: number, batchNorm: 'sync' | 'ghost', shardSize: number): Group[] {
  if (batchNorm === 'sync') return [{ start: 0, end: rows }];
  const groups: Group[] = [];
  for (let start = 0; start < rows; start += shardSize) {
    groups.push({ start, end: Math.min(start + shardSize, rows) });
  }
  return groups;
}

export type Moments = { mean: Float64Array; variance: Float64Array };

/** Mean and biased variance of every feature of x (·, features) over the rows of a group, in two passes. */
export function momentsOf(x: Float64Array, features: number, group: Group): Moments {
  const count = group.end - group.start;
  const mean = new Float64Array(features);
  const variance = new Float64Array(features);
  for (let r = group.start; r < group.end; r++) {
    for (let f = 0; f < features; f++) mean[f] += x[r * features + f] / count;
  }
  for (let r = group.start; r < group.end; r++) {
    for (let f = 0; f < features; f++) variance[f] += (x[r * features + f] - mean[f]) ** 2 / count;
  }
  return { mean, variance };
}

/** x (rows, features) → y = scale · x̂ + shift with x̂ = (x − mean) ÷ √(variance + ε), given moments. */
function normalise(
  layer: BatchNormLayer,
  scale: Float64Array,
  shift: Float64Array,
  { mean, variance }: Moments,
  x: Float64Array,
  y: Float64Array,
  group: Group,
): void {
  const { features, epsilon } = layer;
  for (let r = group.start; r < group.end; r++) {
    for (let f = 0; f < features; f++) {
      const normalised = (x[r * features + f] - mean[f]) / Math.sqrt(variance[f] + epsilon);
      y[r * features + f] = scale[f] * normalised + shift[f];
    }
  }
}

/** Training: x (rows, features) → y, a new array, every group normalised with its own moments. */
export function batchNormForward(
  layer: BatchNormLayer,
  scale: Float64Array,
  shift: Float64Array,
  x: Float64Array,
  groups: readonly Group[],
): Float64Array {
  const y = new Float64Array(x.length);
  for (const group of groups) {
    normalise(layer, scale, shift, momentsOf(x, layer.features, group), x, y, group);
  }
  return y;
}

/** Evaluation: x (rows, features) → y, a new array, normalised with the running statistics. */
export function batchNormEvaluate(
  layer: BatchNormLayer,
  scale: Float64Array,
  shift: Float64Array,
  running: Moments,
  x: Float64Array,
): Float64Array {
  const y = new Float64Array(x.length);
  normalise(layer, scale, shift, running, x, y, { start: 0, end: x.length / layer.features });
  return y;
}

export type BatchNormGradients = { x: Float64Array; scale: Float64Array; shift: Float64Array };

/**
 * dy (rows, features) → the gradients, new arrays. Over all rows, dscale = Σ dy · x̂ and dshift = Σ dy.
 * In a group of n samples, with the sums over that group only,
 * dx = scale ÷ √(variance + ε) · (dy − Σ dy ÷ n − x̂ · Σ dy · x̂ ÷ n);
 * for n = 1 that is 0, as the output does not depend on the input.
 */
export function batchNormBackward(
  layer: BatchNormLayer,
  scale: Float64Array,
  x: Float64Array,
  dy: Float64Array,
  groups: readonly Group[],
): BatchNormGradients {
  const { features, epsilon } = layer;
  const dx = new Float64Array(x.length);
  const dScale = new Float64Array(features);
  const dShift = new Float64Array(features);
  for (const group of groups) {
    const { mean, variance } = momentsOf(x, features, group);
    const count = group.end - group.start;
    for (let f = 0; f < features; f++) {
      const deviation = Math.sqrt(variance[f] + epsilon);
      const normalisedAt = (r: number) => (x[r * features + f] - mean[f]) / deviation;
      let sumOfSlopes = 0;
      let sumOfProducts = 0;
      for (let r = group.start; r < group.end; r++) {
        sumOfSlopes += dy[r * features + f];
        sumOfProducts += dy[r * features + f] * normalisedAt(r);
      }
      for (let r = group.start; r < group.end; r++) {
        const centred =
          dy[r * features + f] - sumOfSlopes / count - (normalisedAt(r) * sumOfProducts) / count;
        dx[r * features + f] = (scale[f] / deviation) * centred;
      }
      dScale[f] += sumOfProducts;
      dShift[f] += sumOfSlopes;
    }
  }
  return { x: dx, scale: dScale, shift: dShift };
}

/**
 * Moves the running statistics, in place, towards the moments of the whole batch x (rows, features):
 * running = momentum · running + (1 − momentum) · batch.
 * An unbiased variance is multiplied by n ÷ (n − 1); for n = 1 the factor is 1.
 */
export function updateRunningStatistics(
  layer: BatchNormLayer,
  running: Moments,
  x: Float64Array,
  rows: number,
): void {
  const { features, momentum } = layer;
  const batch = momentsOf(x, features, { start: 0, end: rows });
  const factor = layer.unbiased && rows > 1 ? rows / (rows - 1) : 1;
  for (let f = 0; f < features; f++) {
    running.mean[f] = momentum * running.mean[f] + (1 - momentum) * batch.mean[f];
    running.variance[f] = momentum * running.variance[f] + (1 - momentum) * factor * batch.variance[f];
  }
}
