// The gradient of a layer's weights and bias: dW = xᵀ · dY, shard by shard, the shards merged by the tree.
// ROWS is a constant wherever a tile is called, and what lies beyond it falls away.
import { fma } from './arithmetic';
import { PANEL_BYTES, TILE_ROWS } from './layout';
import { addFour, addVectors, copyVectors, foldStack, pushPair } from './merging';
import { sgd } from './update';

// Three panels of x, a whole number of tiles; as many rows of the gradient are summed at once (see stackBytes).
// @ts-ignore: decorator
@inline
const BLOCK_ROWS: i32 = 48;

export function denseWeightGradient(
  x: usize, xStride: usize, dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32,
  depth: i32, width: i32, from: i32, to: i32, out: usize, stack: usize,
): void {
  const first = from >> 4;
  const end = to >> 4;
  // All that needs three panels of x is computed while they are in the cache.
  for (let k = 0; k < depth; k += BLOCK_ROWS) {
    for (let p = first / depth; p * depth < end; p++) {
      // Rows k … k+47 of panel p, as far as they are asked for.
      const begin = max(p * depth + k, first);
      const stop = min(p * depth + min(k + BLOCK_ROWS, depth), end);
      if (begin >= stop) continue;
      const column = begin - p * depth;
      gradientBlock(
        stop - begin, column, width - 16 * p, x, xStride, dy + <usize>p * dyStride, rows, shardSize, lo, hi, stack,
      );
      copyVectors(out + <usize>(begin - first) * PANEL_BYTES, stack, <usize>(stop - begin) * PANEL_BYTES);
    }
  }
}

export function denseWeightUpdate(
  x: usize, xStride: usize, dy: usize, dyStride: usize, rows: i32, shardSize: i32,
  depth: i32, width: i32, from: i32, to: i32, w: usize, v: usize, newW: usize, newV: usize, rule: usize, stack: usize,
  position: i32, checksum: usize,
): i32 {
  const shards = (rows + shardSize - 1) / shardSize;
  const first = from >> 4;
  const end = to >> 4;
  let bad = 0;
  for (let k = 0; k < depth; k += BLOCK_ROWS) {
    for (let p = first / depth; p * depth < end; p++) {
      const begin = max(p * depth + k, first);
      const stop = min(p * depth + min(k + BLOCK_ROWS, depth), end);
      if (begin >= stop) continue;
      const column = begin - p * depth;
      gradientBlock(
        stop - begin, column, width - 16 * p, x, xStride, dy + <usize>p * dyStride, rows, shardSize, 0, shards, stack,
      );
      const here = <usize>(begin - first) * PANEL_BYTES;
      bad |= sgd(
        w + here, stack, v + here, newW + here, newV + here, (stop - begin) << 4, rule,
        position + ((begin - first) << 4), checksum,
      );
    }
  }
  return bad;
}

// Some rows of a panel of the gradient, those of x's columns from `column` on, summed over shards and left at the
// bottom of the stack; `width` columns of it count. A shard's sums merge with the finished subtrees on the stack as
// a binary counter is incremented, which is the tree's order.
function gradientBlock(
  height: i32, column: i32, width: i32, x: usize, xStride: usize, dy: usize, rows: i32, shardSize: i32,
  lo: i32, hi: i32, stack: usize,
): void {
  const bytes = <usize>height * PANEL_BYTES;
  let top = stack;
  for (let shard = lo; shard < hi; shard++) {
    const first = <usize>(shard * shardSize) * PANEL_BYTES;
    const end = dy + <usize>min((shard + 1) * shardSize, rows) * PANEL_BYTES;
    sumShard(height, column, x + first, xStride, dy + first, end, top);
    if (width > 8) sumShard(height, column, x + first, xStride, dy + first + 32, end + 32, top + 32);
    else clearHalf(height, top + 32);
    top += bytes;
    const count = shard - lo + 1;
    if ((count & 3) != 0) continue;
    top -= 3 * bytes;
    addFour(top - bytes, bytes);
    for (let nodes = count >> 2; (nodes & 1) == 0; nodes >>= 1) {
      top -= bytes;
      addVectors(top - bytes, top, bytes);
    }
  }
  // Two or three leaves are left that did not make four.
  const rest = <usize>((hi - lo) & 3) * bytes;
  if (rest >= 2 * bytes) {
    addVectors(top - rest, top - rest + bytes, bytes);
    if (rest == 3 * bytes) copyVectors(top - 2 * bytes, top - bytes, bytes);
    top -= bytes;
  }
  foldStack(stack, top, bytes);
}

// The sums of one shard, half a panel wide. Tiles of six may reach over the edge of a panel of x, so that 48 rows are
// eight of them.
function sumShard(
  height: i32, column: i32, x: usize, xStride: usize, dy: usize, end: usize, out: usize,
): void {
  x += <usize>(column >> 4) * xStride + ((<usize>(column & 15)) << 2);
  let inPanel = 16 - (column & 15);
  for (let left = height; left > 0; ) {
    let tile = min(left, TILE_ROWS);
    if (tile == TILE_ROWS && inPanel == 4) {
      sumTile42(x, xStride, dy, end, out);
    } else if (tile == TILE_ROWS && inPanel == 2) {
      sumTile24(x, xStride, dy, end, out);
    } else {
      tile = min(tile, inPanel);
      sumTile(tile, x, dy, end, out);
    }
    left -= tile;
    out += <usize>tile * PANEL_BYTES;
    x += (<usize>tile) << 2;
    inPanel -= tile;
    if (inPanel <= 0) {
      inPanel += 16;
      x += xStride - PANEL_BYTES;
    }
  }
}

// @ts-ignore: decorator
@inline
function sumTile(height: i32, x: usize, dy: usize, end: usize, out: usize): void {
  switch (height) {
    case 6: sumTile6(x, dy, end, out); break;
    case 5: sumTile5(x, dy, end, out); break;
    case 4: sumTile4(x, dy, end, out); break;
    case 3: sumTile3(x, dy, end, out); break;
    case 2: sumTile2(x, dy, end, out); break;
    default: sumTile1(x, dy, end, out);
  }
}

export function sumTile1(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(1, 1, x, 0, dy, end, out);
}
export function sumTile2(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(2, 2, x, 0, dy, end, out);
}
export function sumTile3(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(3, 3, x, 0, dy, end, out);
}
export function sumTile4(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(4, 4, x, 0, dy, end, out);
}
export function sumTile5(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(5, 5, x, 0, dy, end, out);
}
export function sumTile6(x: usize, dy: usize, end: usize, out: usize): void {
  sumRows(6, 6, x, 0, dy, end, out);
}
export function sumTile42(x: usize, xStride: usize, dy: usize, end: usize, out: usize): void {
  sumRows(6, 4, x, xStride, dy, end, out);
}
export function sumTile24(x: usize, xStride: usize, dy: usize, end: usize, out: usize): void {
  sumRows(6, 2, x, xStride, dy, end, out);
}

// HERE of the rows are columns of this panel of x, the others of the next.
// @ts-ignore: decorator
@inline
function sumRows(ROWS: i32, HERE: i32, x: usize, xStride: usize, dy: usize, end: usize, out: usize): void {
  const zero = f32x4.splat(0);
  let a0 = zero, b0 = zero;
  let a1 = zero, b1 = zero;
  let a2 = zero, b2 = zero;
  let a3 = zero, b3 = zero;
  let a4 = zero, b4 = zero;
  let a5 = zero, b5 = zero;
  let next = x + xStride - PANEL_BYTES;
  for (; dy < end; x += PANEL_BYTES, next += PANEL_BYTES, dy += PANEL_BYTES) {
    const u = v128.load(dy);
    const v = v128.load(dy, 16);
    let s = v128.load32_splat(x);
    a0 = fma(s, u, a0);
    b0 = fma(s, v, b0);
    if (ROWS > 1) {
      s = HERE > 1 ? v128.load32_splat(x, 4) : v128.load32_splat(next, 4);
      a1 = fma(s, u, a1);
      b1 = fma(s, v, b1);
    }
    if (ROWS > 2) {
      s = HERE > 2 ? v128.load32_splat(x, 8) : v128.load32_splat(next, 8);
      a2 = fma(s, u, a2);
      b2 = fma(s, v, b2);
    }
    if (ROWS > 3) {
      s = HERE > 3 ? v128.load32_splat(x, 12) : v128.load32_splat(next, 12);
      a3 = fma(s, u, a3);
      b3 = fma(s, v, b3);
    }
    if (ROWS > 4) {
      s = HERE > 4 ? v128.load32_splat(x, 16) : v128.load32_splat(next, 16);
      a4 = fma(s, u, a4);
      b4 = fma(s, v, b4);
    }
    if (ROWS > 5) {
      s = HERE > 5 ? v128.load32_splat(x, 20) : v128.load32_splat(next, 20);
      a5 = fma(s, u, a5);
      b5 = fma(s, v, b5);
    }
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  if (ROWS > 1) {
    v128.store(out, a1, 64);
    v128.store(out, b1, 80);
  }
  if (ROWS > 2) {
    v128.store(out, a2, 128);
    v128.store(out, b2, 144);
  }
  if (ROWS > 3) {
    v128.store(out, a3, 192);
    v128.store(out, b3, 208);
  }
  if (ROWS > 4) {
    v128.store(out, a4, 256);
    v128.store(out, b4, 272);
  }
  if (ROWS > 5) {
    v128.store(out, a5, 320);
    v128.store(out, b5, 336);
  }
}

// Padding: its gradient is zero.
function clearHalf(height: i32, half: usize): void {
  for (const end = half + <usize>height * PANEL_BYTES; half < end; half += PANEL_BYTES) {
    v128.store(half, f32x4.splat(0));
    v128.store(half, f32x4.splat(0), 16);
  }
}

export function columnSums(
  dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32, from: i32, to: i32,
  out: usize, stack: usize,
): void {
  for (let column = from; column < to; column += 8) {
    const start = dy + <usize>(column >> 4) * dyStride + ((<usize>(column & 8)) << 2);
    let top = stack;
    for (let shard = lo; shard < hi; shard++) {
      const first = shard * shardSize;
      const last = min(first + shardSize, rows);
      let pd = start + <usize>first * PANEL_BYTES;
      let a = f32x4.splat(0), b = a;
      for (let n = first; n < last; n++) {
        a = f32x4.add(a, v128.load(pd));
        b = f32x4.add(b, v128.load(pd, 16));
        pd += PANEL_BYTES;
      }
      top = pushPair(top, shard - lo + 1, a, b);
    }
    foldStack(stack, top, 32);
    v128.store(out, v128.load(stack));
    v128.store(out, v128.load(stack, 16), 16);
    out += 32;
  }
}
