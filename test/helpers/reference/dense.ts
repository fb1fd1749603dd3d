/** The dense layer in binary64: y = x · Wᵀ + b. Samples are rows; weights are (outputs, inputs). */

import type { DenseLayer } from './layers.ts';

/** x (rows, inputs) → y (rows, outputs), a new array: y[r][o] = b[o] + Σᵢ x[r][i] · W[o][i]. */
export function denseForward(
  layer: DenseLayer,
  weight: Float64Array,
  bias: Float64Array,
  x: Float64Array,
  rows: number,
): Float64Array {
  const { inputs, outputs } = layer;
  const y = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < inputs; i++) sum += x[r * inputs + i] * weight[o * inputs + i];
      y[r * outputs + o] = sum;
    }
  }
  return y;
}

export type DenseGradients = { x: Float64Array; weight: Float64Array; bias: Float64Array };

/** dy (rows, outputs) → dx = dy · W, dW = dyᵀ · x, db = Σᵣ dy[r], all new arrays. */
export function denseBackward(
  layer: DenseLayer,
  weight: Float64Array,
  x: Float64Array,
  dy: Float64Array,
  rows: number,
): DenseGradients {
  const { inputs, outputs } = layer;
  const dx = new Float64Array(rows * inputs);
  const dWeight = new Float64Array(outputs * inputs);
  const dBias = new Float64Array(outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      const slope = dy[r * outputs + o];
      dBias[o] += slope;
      for (let i = 0; i < inputs; i++) {
        dx[r * inputs + i] += slope * weight[o * inputs + i];
        dWeight[o * inputs + i] += slope * x[r * inputs + i];
      }
    }
  }
  return { x: dx, weight: dWeight, bias: dBias };
}
