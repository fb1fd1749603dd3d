import type { Kernels } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import { addChecksum, statePosition } from './checksum.ts';
import type { Views } from './memory.ts';

export function update(m: Views): Pick<Kernels, 'sgd' | 'movingAverage' | 'checksum' | 'nonFinite'> {
  const nonFinite = (x: number, count: number): number => {
    for (let i = 0; i < 4 * count; i += 4) if (!Number.isFinite(m.get(x + i))) return 1;
    return 0;
  };
  return {
    sgd(w, g, v, newW, newV, count, rule, position, checksum) {
      const [rate, momentum, decay, nesterov] = [0, 4, 8, 12].map((i) => m.get(rule + i));
      let bad = 0;
      for (let i = 0; i < 4 * count; i += 4) {
        const weight = m.get(w + i);
        let direction = m.get(g + i);
        if (decay !== 0) direction = fma(decay, weight, direction);
        if (momentum !== 0) {
          const velocity = fma(momentum, m.get(v + i), direction);
          m.set(newV + i, velocity);
          bad |= nonFinite(newV + i, 1);
          direction = nesterov !== 0 ? fma(momentum, velocity, direction) : velocity;
        }
        m.set(newW + i, fma(-rate, direction, weight));
        bad |= nonFinite(newW + i, 1);
      }
      addChecksum(m, newW, count, position, checksum);
      if (momentum !== 0) addChecksum(m, newV, count, position + statePosition, checksum);
      return bad;
    },

    movingAverage(old, value, out, count, momentum, divisor, position, checksum) {
      const rest = f(1 - f(momentum));
      for (let i = 0; i < 4 * count; i += 4) {
        m.set(out + i, fma(f(momentum), m.get(old + i), f(rest * f(m.get(value + i) / f(divisor)))));
      }
      addChecksum(m, out, count, position, checksum);
      return nonFinite(out, count);
    },

    checksum: (x, count, position, checksum) => addChecksum(m, x, count, position, checksum),

    nonFinite,
  };
}
