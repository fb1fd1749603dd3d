import { threefry } from '../../random.ts';
import type { Kernels } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import { log } from './mathematics.ts';
import type { Views } from './memory.ts';

export function random(m: Views): Pick<Kernels, 'uniform' | 'normal'> {
  return {
    uniform(out, count, key0, key1, low, high) {
      const range = f(f(high) - f(low));
      for (let i = 0; i < count; i++) {
        const u = (threefry([key0, key1], i, 0)[0] >>> 8) * 2 ** -24;
        m.set(out + 4 * i, fma(range, u, f(low)));
      }
    },

    normal(out, count, key0, key1, deviation) {
      for (let i = 0; i < count; i++) {
        const p = ((threefry([key0, key1], i, 0)[0] >>> 9) + 0.5) * 2 ** -23;
        m.set(out + 4 * i, f(f(deviation) * inverseNormal(p)));
      }
    },
  };
}

function horner(x: number, ...coefficients: number[]): number {
  return coefficients.map(f).reduce((sum, coefficient) => fma(sum, x, coefficient));
}

/** Wichura, algorithm AS 241 (1988), PPND7, for 2⁻²⁴ ≤ p ≤ 1 − 2⁻²⁴. */
function inverseNormal(p: number): number {
  const q = f(p - 0.5);
  if (Math.abs(q) <= f(0.425)) {
    const r = fma(-q, q, f(0.180625));
    const above = horner(r, 59.10937472, 159.29113202, 50.434271938, 3.3871327179);
    const below = horner(r, 67.1875636, 78.757757664, 17.895169469, 1);
    return f(f(q * above) / below);
  }
  const tail = q < 0 ? p : f(1 - p);
  const r = f(f(Math.sqrt(-log(tail))) - f(1.6));
  const above = horner(r, 0.17023821103, 1.3067284816, 2.75681539, 1.4234372777);
  const below = horner(r, 0.12021132975, 0.7370016425, 1);
  const z = f(above / below);
  return q < 0 ? -z : z;
}
