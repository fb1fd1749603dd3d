import type { Kernels } from '../kernels.ts';
import { f } from './arithmetic.ts';
import { exp, log } from './mathematics.ts';
import type { Views } from './memory.ts';

export function loss(m: Views): Pick<Kernels, 'softmaxCrossEntropy' | 'softmax' | 'argmax'> {
  /** Writes exp(logit − peak) of one row and returns their sum. */
  const exponentials = (row: number, classes: number, peak: number, out: number): number => {
    let sum = 0;
    for (let c = 0; c < 4 * classes; c += 4) {
      const value = exp(f(m.get(row + c) - peak));
      m.set(out + c, value);
      sum = f(sum + value);
    }
    return sum;
  };
  const largest = (row: number, classes: number): number => {
    let best = 0;
    for (let j = 1; j < classes; j++) if (m.get(row + 4 * j) > m.get(row + 4 * best)) best = j;
    return best;
  };
  return {
    softmaxCrossEntropy(logits, stride, classes, rows, labels, order, first, divisor, gradient) {
      let total = 0;
      for (let r = 0; r < rows; r++) {
        const row = logits + r * stride;
        const out = gradient + r * stride;
        const label = m.bytes[labels + m.sample(order, first + r)];
        const peak = m.get(row + 4 * largest(row, classes));
        const sum = exponentials(row, classes, peak, out);
        total = f(total + f(log(sum) - f(m.get(row + 4 * label) - peak)));
        for (let c = 0; c < stride; c += 4) {
          const probability = f(m.get(out + c) / sum);
          const difference = c === 4 * label ? f(probability - 1) : probability;
          m.set(out + c, c < 4 * classes ? f(difference / f(divisor)) : 0);
        }
      }
      return total;
    },

    softmax(logits, stride, classes, rows, out) {
      for (let r = 0; r < rows; r++) {
        const row = logits + r * stride;
        const to = out + r * stride;
        const sum = exponentials(row, classes, m.get(row + 4 * largest(row, classes)), to);
        for (let c = 0; c < stride; c += 4) m.set(to + c, c < 4 * classes ? f(m.get(to + c) / sum) : 0);
      }
    },

    argmax(logits, stride, classes, rows, out) {
      for (let r = 0; r < rows; r++) m.bytes[out + r] = largest(logits + r * stride, classes);
    },
  };
}
