import { foldTree } from '../../reduction/tree.ts';
import type { Kernels } from '../kernels.ts';
import { f, fma, nonFinite } from './arithmetic.ts';
import type { Views } from './memory.ts';

export interface Moments {
  count: number;
  mean: number;
  m2: number;
}

/** Chan, Golub and LeVeque (1979), in the contract's order of operations. */
export function mergeTwo(a: Moments, b: Moments): Moments {
  const count = f(a.count + b.count);
  const delta = f(b.mean - a.mean);
  const share = f(b.count / count);
  return {
    count,
    mean: fma(delta, share, a.mean),
    m2: fma(f(delta * delta), f(a.count * share), f(a.m2 + b.m2)),
  };
}

export function merging(m: Views): Pick<Kernels, 'mergeSums' | 'mergeMoments'> {
  return {
    mergeSums(slots, slotStride, lo, hi, from, to, out) {
      let bad = 0;
      for (let column = from; column < to; column++) {
        const leaf = (shard: number) => m.get(slots + shard * slotStride + 4 * column);
        const sum = foldTree(lo, hi, leaf, (left, right) => f(left + right));
        m.set(out + 4 * (column - from), sum);
        bad |= nonFinite(sum);
      }
      return bad;
    },

    mergeMoments(slots, slotStride, width, rows, shardSize, lo, hi, from, to, outMean, outM2) {
      let bad = 0;
      for (let column = from; column < to; column++) {
        const leaf = (shard: number): Moments => ({
          count: Math.min((shard + 1) * shardSize, rows) - shard * shardSize,
          mean: m.get(slots + shard * slotStride + 4 * column),
          m2: m.get(slots + shard * slotStride + 4 * (width + column)),
        });
        const total = foldTree(lo, hi, leaf, mergeTwo);
        if (outMean !== 0) m.set(outMean + 4 * (column - from), total.mean);
        if (outM2 !== 0) m.set(outM2 + 4 * (column - from), total.m2);
        bad |= nonFinite(total.mean) | nonFinite(total.m2);
      }
      return bad;
    },
  };
}
