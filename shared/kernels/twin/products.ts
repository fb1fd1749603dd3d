import { foldTree } from '../../reduction/tree.ts';
import { type Kernels, padded, panelBytes, panelWidth } from '../kernels.ts';
import { f, fma } from './arithmetic.ts';
import { at, type Views } from './memory.ts';
import { update } from './update.ts';

type Products = Pick<
  Kernels,
  'dense' | 'denseWeightGradient' | 'denseWeightUpdate' | 'columnSums' | 'transpose'
>;

export function products(m: Views): Products {
  const { sgd } = update(m);
  return {
    dense(x, xStride, w, bias, y, yStride, rows, depth, width) {
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < padded(width); o++) {
          let sum = bias === 0 ? 0 : m.get(bias + 4 * o);
          for (let k = 0; k < depth; k++) {
            sum = fma(m.get(at(x, xStride, r, k)), m.get(at(w, panelBytes * depth, k, o)), sum);
          }
          m.set(at(y, yStride, r, o), sum);
        }
      }
    },

    denseWeightGradient(x, xStride, dy, dyStride, rows, shardSize, lo, hi, depth, _width, from, to, out) {
      for (let i = from; i < to; i++) {
        const gradient = weightGradient(m, x, xStride, dy, dyStride, rows, shardSize, lo, hi, depth, i);
        m.set(out + 4 * (i - from), gradient);
      }
    },

    denseWeightUpdate(
      x,
      xStride,
      dy,
      dyStride,
      rows,
      shardSize,
      depth,
      _width,
      from,
      to,
      w,
      v,
      newW,
      newV,
      rule,
      stack,
      position,
      checksum,
    ) {
      const shards = Math.ceil(rows / shardSize);
      let bad = 0;
      for (let first = from; first < to; first += panelWidth) {
        for (let i = first; i < first + panelWidth; i++) {
          const gradient = weightGradient(m, x, xStride, dy, dyStride, rows, shardSize, 0, shards, depth, i);
          m.set(stack + 4 * (i - first), gradient);
        }
        const done = first - from;
        const [oldW, oldV, nextW, nextV] = [w, v, newW, newV].map((place) => place + 4 * done);
        bad |= sgd(oldW, stack, oldV, nextW, nextV, panelWidth, rule, position + done, checksum);
      }
      return bad;
    },

    columnSums(dy, dyStride, rows, shardSize, lo, hi, from, to, out) {
      for (let column = from; column < to; column++) {
        const leaf = (shard: number) => {
          let sum = 0;
          for (let n = shard * shardSize; n < Math.min((shard + 1) * shardSize, rows); n++) {
            sum = add(sum, m.get(at(dy, dyStride, n, column)));
          }
          return sum;
        };
        m.set(out + 4 * (column - from), foldTree(lo, hi, leaf, add));
      }
    },

    transpose(w, depth, width, out) {
      for (let o = 0; o < width; o++) {
        for (let k = 0; k < padded(depth); k++) {
          const value = k < depth ? m.get(at(w, panelBytes * depth, k, o)) : 0;
          m.set(at(out, panelBytes * width, o, k), value);
        }
      }
    },
  };
}

/** Float `i` of the panelled gradient (depth, width): each shard's sum over its samples, merged by the tree. */
function weightGradient(
  m: Views,
  x: number,
  xStride: number,
  dy: number,
  dyStride: number,
  rows: number,
  shardSize: number,
  lo: number,
  hi: number,
  depth: number,
  i: number,
): number {
  const k = Math.floor(i / panelWidth) % depth;
  const column = Math.floor(i / (panelWidth * depth)) * panelWidth + (i % panelWidth);
  const leaf = (shard: number) => {
    let sum = 0;
    for (let n = shard * shardSize; n < Math.min((shard + 1) * shardSize, rows); n++) {
      sum = fma(m.get(at(x, xStride, n, k)), m.get(at(dy, dyStride, n, column)), sum);
    }
    return sum;
  };
  return foldTree(lo, hi, leaf, add);
}

function add(left: number, right: number): number {
  return f(left + right);
}
