import { type Kernels, padded } from '../kernels.ts';
import { f } from './arithmetic.ts';
import { exp, log } from './mathematics.ts';
import { at, type Views } from './memory.ts';

export function loss(m: Views): Pick<Kernels, 'softmaxCrossEntropy' | 'softmax' | 'argmax'> {
  /** The values of one row; what is not among its columns is never read. */
  const rowOf = (matrix: number, stride: number, row: number, columns: number): number[] =>
    Array.from({ length: columns }, (_, j) => m.get(at(matrix, stride, row, j)));
  const put = (matrix: number, stride: number, row: number, values: number[]): void => {
    for (let j = 0; j < padded(values.length); j++) m.set(at(matrix, stride, row, j), values[j] ?? 0);
  };
  return {
    softmaxCrossEntropy(logits, stride, classes, rows, labels, order, first, divisor, gradient, correct) {
      let total = 0;
      let right = 0;
      for (let r = 0; r < rows; r++) {
        const label = m.bytes[labels + m.sample(order, first + r)];
        const row = rowOf(logits, stride, r, classes);
        const { exponentials, sum, peak } = softmaxParts(row);
        const loss = f(log(sum) - f(row[label] - peak));
        total = f(total + loss);
        if (largest(row) === label && !Number.isNaN(loss)) right += 1;
        const differences = exponentials.map((value, j) => {
          const probability = f(value / sum);
          return f((j === label ? f(probability - 1) : probability) / f(divisor));
        });
        put(gradient, stride, r, differences);
      }
      m.set(correct, right);
      return total;
    },

    softmax(logits, stride, classes, rows, out) {
      for (let r = 0; r < rows; r++) {
        const { exponentials, sum } = softmaxParts(rowOf(logits, stride, r, classes));
        const probabilities = exponentials.map((value) => f(value / sum));
        put(out, stride, r, probabilities);
      }
    },

    argmax(logits, stride, classes, rows, out) {
      for (let r = 0; r < rows; r++) m.bytes[out + r] = largest(rowOf(logits, stride, r, classes));
    },
  };
}

/** exp(logit − peak) of a row, and their sum in class order. */
function softmaxParts(row: number[]): { exponentials: number[]; sum: number; peak: number } {
  const peak = row[largest(row)];
  const exponentials = row.map((logit) => exp(f(logit - peak)));
  return { exponentials, sum: exponentials.reduce((sum, value) => f(sum + value), 0), peak };
}

function largest(row: number[]): number {
  let best = 0;
  for (const [j, logit] of row.entries()) if (logit > row[best]) best = j;
  return best;
}
