import type { Kernels } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import type { Views } from './memory.ts';

type Normalisation = Pick<
  Kernels,
  'moments' | 'inverseDeviation' | 'normalise' | 'normaliseSums' | 'normaliseBackward'
>;

export function normalisation(m: Views): Normalisation {
  return {
    moments(x, stride, rows, width, mean, m2) {
      for (let c = 0; c < width * 4; c += 4) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum = f(sum + m.get(x + r * stride + c));
        const centre = f(sum / rows);
        let squares = 0;
        for (let r = 0; r < rows; r++) {
          const distance = f(m.get(x + r * stride + c) - centre);
          squares = fma(distance, distance, squares);
        }
        m.set(mean + c, centre);
        m.set(m2 + c, squares);
      }
    },

    inverseDeviation(m2, count, epsilon, width, out) {
      for (let c = 0; c < width * 4; c += 4) {
        const variance = f(m.get(m2 + c) / f(count));
        m.set(out + c, f(1 / f(Math.sqrt(f(variance + f(epsilon))))));
      }
    },

    normalise(x, y, stride, rows, width, mean, inverse, scale, shift) {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < width * 4; c += 4) {
          const xhat = f(f(m.get(x + r * stride + c) - m.get(mean + c)) * m.get(inverse + c));
          m.set(y + r * stride + c, fma(xhat, m.get(scale + c), m.get(shift + c)));
        }
      }
    },

    normaliseSums(x, dy, stride, rows, width, mean, inverse, sumDy, sumDyXhat) {
      for (let c = 0; c < width * 4; c += 4) {
        let sum = 0;
        let sumXhat = 0;
        for (let r = 0; r < rows; r++) {
          const d = m.get(dy + r * stride + c);
          const xhat = f(f(m.get(x + r * stride + c) - m.get(mean + c)) * m.get(inverse + c));
          sum = f(sum + d);
          sumXhat = fma(d, xhat, sumXhat);
        }
        m.set(sumDy + c, sum);
        m.set(sumDyXhat + c, sumXhat);
      }
    },

    normaliseBackward(x, dy, dx, stride, rows, width, mean, inverse, scale, sumDy, sumDyXhat, count) {
      for (let c = 0; c < width * 4; c += 4) {
        const gain = f(m.get(scale + c) * m.get(inverse + c));
        const meanDy = f(m.get(sumDy + c) / f(count));
        const meanDyXhat = f(m.get(sumDyXhat + c) / f(count));
        for (let r = 0; r < rows; r++) {
          const xhat = f(f(m.get(x + r * stride + c) - m.get(mean + c)) * m.get(inverse + c));
          const centred = f(m.get(dy + r * stride + c) - meanDy);
          m.set(dx + r * stride + c, f(gain * fma(xhat, -meanDyXhat, centred)));
        }
      }
    },
  };
}
