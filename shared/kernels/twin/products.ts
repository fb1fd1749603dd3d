import { foldTree } from '../../reduction/tree.ts';
import type { Kernels } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import type { Views } from './memory.ts';

type Products = Pick<Kernels, 'dense' | 'denseWeightGradient' | 'columnSums' | 'transpose'>;

export function products(m: Views): Products {
  return {
    dense(x, xStride, w, bias, y, yStride, rows, depth, panels) {
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < panels * 8; o++) {
          let sum = bias === 0 ? 0 : m.get(bias + 4 * o);
          for (let k = 0; k < depth; k++) {
            sum = fma(m.get(x + r * xStride + 4 * k), m.get(w + 4 * panelled(k, o, depth)), sum);
          }
          m.set(y + r * yStride + 4 * o, sum);
        }
      }
    },

    denseWeightGradient(x, xStride, dy, dyStride, rows, shardSize, lo, hi, depth, from, to, out) {
      for (let i = from; i < to; i++) {
        const row = Math.floor(i / 8) % depth;
        const column = Math.floor(i / (8 * depth)) * 8 + (i % 8);
        const leaf = (shard: number) => {
          let sum = 0;
          for (let n = shard * shardSize; n < Math.min((shard + 1) * shardSize, rows); n++) {
            sum = fma(m.get(x + n * xStride + 4 * row), m.get(dy + n * dyStride + 4 * column), sum);
          }
          return sum;
        };
        m.set(out + 4 * (i - from), foldTree(lo, hi, leaf, add));
      }
    },

    columnSums(dy, dyStride, rows, shardSize, lo, hi, from, to, out) {
      for (let column = from; column < to; column++) {
        const leaf = (shard: number) => {
          let sum = 0;
          for (let n = shard * shardSize; n < Math.min((shard + 1) * shardSize, rows); n++) {
            sum = add(sum, m.get(dy + n * dyStride + 4 * column));
          }
          return sum;
        };
        m.set(out + 4 * (column - from), foldTree(lo, hi, leaf, add));
      }
    },

    transpose(w, depth, width, out) {
      for (let o = 0; o < width; o++) {
        for (let k = 0; k < Math.ceil(depth / 8) * 8; k++) {
          m.set(out + 4 * panelled(o, k, width), k < depth ? m.get(w + 4 * panelled(k, o, depth)) : 0);
        }
      }
    },
  };
}

/** The place of element (k, column) in a panelled matrix with `depth` rows. */
function panelled(k: number, column: number, depth: number): number {
  return (Math.floor(column / 8) * depth + k) * 8 + (column % 8);
}

function add(left: number, right: number): number {
  return f(left + right);
}
