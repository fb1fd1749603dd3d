import { type Kernels, panelWidth } from '../kernels.ts';
import { f, fma, nonFinite } from './arithmetic.ts';
import { at, type Views } from './memory.ts';

type Normalisation = Pick<
  Kernels,
  'moments' | 'inverseDeviation' | 'normalise' | 'normaliseSums' | 'normaliseBackward'
>;

export function normalisation(m: Views): Normalisation {
  return {
    moments(x, stride, rows, panels, mean, m2) {
      let bad = 0;
      for (let c = 0; c < panels * panelWidth; c++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum = f(sum + m.get(at(x, stride, r, c)));
        const centre = f(sum / rows);
        let squares = 0;
        for (let r = 0; r < rows; r++) {
          const distance = f(m.get(at(x, stride, r, c)) - centre);
          squares = fma(distance, distance, squares);
        }
        m.set(mean + 4 * c, centre);
        m.set(m2 + 4 * c, squares);
        bad |= nonFinite(centre) | nonFinite(squares);
      }
      return bad;
    },

    inverseDeviation(m2, count, epsilon, panels, out) {
      for (let c = 0; c < panels * panelWidth * 4; c += 4) {
        const variance = f(m.get(m2 + c) / f(count));
        m.set(out + c, f(1 / f(Math.sqrt(f(variance + f(epsilon))))));
      }
    },

    normalise(x, y, stride, rows, panels, mean, inverse, scale, shift) {
      for (let c = 0; c < panels * panelWidth; c++) {
        for (let r = 0; r < rows; r++) {
          const centred = f(m.get(at(x, stride, r, c)) - m.get(mean + 4 * c));
          const xhat = f(centred * m.get(inverse + 4 * c));
          m.set(at(y, stride, r, c), fma(xhat, m.get(scale + 4 * c), m.get(shift + 4 * c)));
        }
      }
    },

    normaliseSums(x, dy, stride, rows, panels, mean, inverse, sumDy, sumDyXhat) {
      let bad = 0;
      for (let c = 0; c < panels * panelWidth; c++) {
        let sum = 0;
        let sumXhat = 0;
        for (let r = 0; r < rows; r++) {
          const d = m.get(at(dy, stride, r, c));
          const centred = f(m.get(at(x, stride, r, c)) - m.get(mean + 4 * c));
          sum = f(sum + d);
          sumXhat = fma(d, f(centred * m.get(inverse + 4 * c)), sumXhat);
        }
        m.set(sumDy + 4 * c, sum);
        m.set(sumDyXhat + 4 * c, sumXhat);
        bad |= nonFinite(sum) | nonFinite(sumXhat);
      }
      return bad;
    },

    normaliseBackward(x, dy, dx, stride, rows, panels, mean, inverse, scale, sumDy, sumDyXhat, count) {
      for (let c = 0; c < panels * panelWidth; c++) {
        const gain = f(m.get(scale + 4 * c) * m.get(inverse + 4 * c));
        const meanDy = f(m.get(sumDy + 4 * c) / f(count));
        const meanDyXhat = f(m.get(sumDyXhat + 4 * c) / f(count));
        for (let r = 0; r < rows; r++) {
          const xhat = f(f(m.get(at(x, stride, r, c)) - m.get(mean + 4 * c)) * m.get(inverse + 4 * c));
          const centred = f(m.get(at(dy, stride, r, c)) - meanDy);
          m.set(at(dx, stride, r, c), f(gain * fma(xhat, -meanDyXhat, centred)));
        }
      }
    },
  };
}
