/** The elementwise layers in binary64, each a function and its derivative. */

import type { ActivationLayer } from './layers.ts';

/** x → y of the same shape, a new array. */
export function activationForward(layer: ActivationLayer, x: Float64Array): Float64Array {
  switch (layer.kind) {
    case 'sigmoid':
      return x.map((value) => 1 / (1 + Math.exp(-value)));
    case 'relu':
      // relu is defined by comparison, so NaN gives 0
      return x.map((value) => (value > 0 ? value : 0));
    case 'tanh':
      return x.map((value) => Math.tanh(value));
    case 'affine':
      return x.map((value) => layer.slope * value + layer.intercept);
    default:
      layer satisfies never;
      throw new TypeError(`unknown activation ${JSON.stringify(layer)}`);
  }
}

/** dy → dx = dy · f′(x), a new array; `y` is f(x). At its kink, relu has the derivative 0. */
export function activationBackward(
  layer: ActivationLayer,
  x: Float64Array,
  y: Float64Array,
  dy: Float64Array,
): Float64Array {
  switch (layer.kind) {
    case 'sigmoid':
      return dy.map((slope, i) => slope * y[i] * (1 - y[i]));
    case 'relu':
      return dy.map((slope, i) => (x[i] > 0 ? slope : 0));
    case 'tanh':
      return dy.map((slope, i) => slope * (1 - y[i] * y[i]));
    case 'affine':
      return dy.map((slope) => slope * layer.slope);
    default:
      layer satisfies never;
      throw new TypeError(`unknown activation ${JSON.stringify(layer)}`);
  }
}
