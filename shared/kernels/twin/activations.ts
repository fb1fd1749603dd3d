import type { Kernels } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import { exp, log, sigmoid, tanh } from './mathematics.ts';
import type { Views } from './memory.ts';

type Activations = Pick<
  Kernels,
  | 'relu'
  | 'reluBackward'
  | 'sigmoid'
  | 'sigmoidBackward'
  | 'tanh'
  | 'tanhBackward'
  | 'affine'
  | 'affineBackward'
  | 'exp'
  | 'log'
>;

export function activations(m: Views): Activations {
  const map = (x: number, y: number, count: number, value: (x: number) => number) => {
    for (let i = 0; i < 4 * count; i += 4) m.set(y + i, value(m.get(x + i)));
  };
  const back = (
    y: number,
    dy: number,
    dx: number,
    count: number,
    value: (y: number, dy: number) => number,
  ) => {
    for (let i = 0; i < 4 * count; i += 4) m.set(dx + i, value(m.get(y + i), m.get(dy + i)));
  };
  return {
    relu: (x, y, count) => map(x, y, count, (value) => (value > 0 ? value : 0)),
    reluBackward: (y, dy, dx, count) => back(y, dy, dx, count, (value, d) => (value > 0 ? d : 0)),
    sigmoid: (x, y, count) => map(x, y, count, sigmoid),
    sigmoidBackward: (y, dy, dx, count) =>
      back(y, dy, dx, count, (value, d) => f(d * f(value * f(1 - value)))),
    tanh: (x, y, count) => map(x, y, count, tanh),
    tanhBackward: (y, dy, dx, count) => back(y, dy, dx, count, (value, d) => f(d * fma(-value, value, 1))),
    affine: (x, y, count, slope, intercept) =>
      map(x, y, count, (value) => fma(f(slope), value, f(intercept))),
    affineBackward: (dy, dx, count, slope) => map(dy, dx, count, (d) => f(f(slope) * d)),
    exp: (x, y, count) => map(x, y, count, exp),
    log: (x, y, count) => map(x, y, count, log),
  };
}
