import { type Kernels, panelWidth } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import { exp, log, sigmoid, tanh } from './mathematics.ts';
import { at, type Views } from './memory.ts';

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
  const map = (
    x: number,
    y: number,
    stride: number,
    rows: number,
    panels: number,
    value: (x: number) => number,
  ) => {
    for (let c = 0; c < panels * panelWidth; c++) {
      for (let r = 0; r < rows; r++) m.set(at(y, stride, r, c), value(m.get(at(x, stride, r, c))));
    }
  };
  const back = (
    y: number,
    dy: number,
    dx: number,
    stride: number,
    rows: number,
    panels: number,
    value: (y: number, dy: number) => number,
  ) => {
    for (let c = 0; c < panels * panelWidth; c++) {
      for (let r = 0; r < rows; r++) {
        const gradient = value(m.get(at(y, stride, r, c)), m.get(at(dy, stride, r, c)));
        m.set(at(dx, stride, r, c), gradient);
      }
    }
  };
  const each = (x: number, y: number, count: number, value: (x: number) => number) => {
    for (let i = 0; i < 4 * count; i += 4) m.set(y + i, value(m.get(x + i)));
  };
  return {
    relu: (x, y, stride, rows, panels) => map(x, y, stride, rows, panels, (v) => (v > 0 ? v : 0)),
    reluBackward: (y, dy, dx, stride, rows, panels) =>
      back(y, dy, dx, stride, rows, panels, (v, d) => (v > 0 ? d : 0)),
    sigmoid: (x, y, stride, rows, panels) => map(x, y, stride, rows, panels, sigmoid),
    sigmoidBackward: (y, dy, dx, stride, rows, panels) =>
      back(y, dy, dx, stride, rows, panels, (v, d) => f(d * f(v * f(1 - v)))),
    tanh: (x, y, stride, rows, panels) => map(x, y, stride, rows, panels, tanh),
    tanhBackward: (y, dy, dx, stride, rows, panels) =>
      back(y, dy, dx, stride, rows, panels, (v, d) => f(d * fma(-v, v, 1))),
    affine: (x, y, stride, rows, panels, slope, intercept) =>
      map(x, y, stride, rows, panels, (v) => fma(f(slope), v, f(intercept))),
    affineBackward: (dy, dx, stride, rows, panels, slope) =>
      map(dy, dx, stride, rows, panels, (d) => f(f(slope) * d)),
    exp: (x, y, count) => each(x, y, count, exp),
    log: (x, y, count) => each(x, y, count, log),
  };
}
