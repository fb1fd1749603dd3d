// Matrix products. Vectors run across outputs, never across the terms of a sum.
import { fma, splat } from './arithmetic';

// @ts-ignore: decorator
@inline
const PANEL_BYTES: usize = 32;

export function dense(
  x: usize, xStride: usize, w: usize, bias: usize, y: usize, yStride: usize,
  rows: i32, depth: i32, panels: i32,
): void {
  const panelBytes = <usize>depth * PANEL_BYTES;
  for (let p = 0; p < panels; p++) {
    // A panel stays in the first-level cache while all rows pass by.
    const panel = w + <usize>p * panelBytes;
    const start = <usize>p * PANEL_BYTES;
    const left = bias != 0 ? v128.load(bias + start) : f32x4.splat(0);
    const right = bias != 0 ? v128.load(bias + start, 16) : f32x4.splat(0);
    let r = 0;
    for (; r + 4 <= rows; r += 4) {
      denseTile(x + <usize>r * xStride, xStride, panel, left, right, y + <usize>r * yStride + start, yStride, panelBytes);
    }
    for (; r < rows; r++) {
      denseRow(x + <usize>r * xStride, panel, left, right, y + <usize>r * yStride + start, panelBytes);
    }
  }
}

// Four rows by one panel, held in eight registers.
// @ts-ignore: decorator
@inline
function denseTile(
  x: usize, xStride: usize, w: usize, left: v128, right: v128, y: usize, yStride: usize, panelBytes: usize,
): void {
  let x0 = x;
  let x1 = x0 + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  let a0 = left, b0 = right, a1 = left, b1 = right, a2 = left, b2 = right, a3 = left, b3 = right;
  const end = w + panelBytes;
  for (; w < end; w += PANEL_BYTES) {
    const u = v128.load(w);
    const v = v128.load(w, 16);
    let s = splat(x0);
    a0 = fma(s, u, a0);
    b0 = fma(s, v, b0);
    s = splat(x1);
    a1 = fma(s, u, a1);
    b1 = fma(s, v, b1);
    s = splat(x2);
    a2 = fma(s, u, a2);
    b2 = fma(s, v, b2);
    s = splat(x3);
    a3 = fma(s, u, a3);
    b3 = fma(s, v, b3);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  v128.store(y, a0);
  v128.store(y, b0, 16);
  y += yStride;
  v128.store(y, a1);
  v128.store(y, b1, 16);
  y += yStride;
  v128.store(y, a2);
  v128.store(y, b2, 16);
  y += yStride;
  v128.store(y, a3);
  v128.store(y, b3, 16);
}

// @ts-ignore: decorator
@inline
function denseRow(x: usize, w: usize, left: v128, right: v128, y: usize, panelBytes: usize): void {
  const end = w + panelBytes;
  for (; w < end; w += PANEL_BYTES) {
    const s = splat(x);
    left = fma(s, v128.load(w), left);
    right = fma(s, v128.load(w, 16), right);
    x += 4;
  }
  v128.store(y, left);
  v128.store(y, right, 16);
}

export function denseWeightGradient(
  x: usize, xStride: usize, dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32,
  depth: i32, from: i32, to: i32, out: usize, stack: usize,
): void {
  let position = from >> 3;
  const end = to >> 3;
  while (position < end) {
    const panel = position / depth;
    const k = position - panel * depth;
    const column = dy + <usize>panel * PANEL_BYTES;
    const row = x + ((<usize>k) << 2);
    if (k + 4 <= depth && position + 4 <= end) {
      gradientTile(row, xStride, column, dyStride, rows, shardSize, lo, hi, out, stack);
      position += 4;
      out += 4 * PANEL_BYTES;
    } else {
      gradientRow(row, xStride, column, dyStride, rows, shardSize, lo, hi, out, stack);
      position += 1;
      out += PANEL_BYTES;
    }
  }
}

// Four rows of a gradient panel: each shard is summed in eight registers, then merged with the finished
// subtrees on the stack as a binary counter is incremented, which is the tree's order.
// @ts-ignore: decorator
@inline
function gradientTile(
  x: usize, xStride: usize, dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32,
  out: usize, stack: usize,
): void {
  let top = stack;
  for (let shard = lo; shard < hi; shard++) {
    const first = shard * shardSize;
    const last = min(first + shardSize, rows);
    let px = x + <usize>first * xStride;
    let pd = dy + <usize>first * dyStride;
    let a0 = f32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0, a3 = a0, b3 = a0;
    for (let n = first; n < last; n++) {
      const u = v128.load(pd);
      const v = v128.load(pd, 16);
      let s = splat(px);
      a0 = fma(s, u, a0);
      b0 = fma(s, v, b0);
      s = splat(px + 4);
      a1 = fma(s, u, a1);
      b1 = fma(s, v, b1);
      s = splat(px + 8);
      a2 = fma(s, u, a2);
      b2 = fma(s, v, b2);
      s = splat(px + 12);
      a3 = fma(s, u, a3);
      b3 = fma(s, v, b3);
      px += xStride;
      pd += dyStride;
    }
    for (let count = shard - lo + 1; (count & 1) == 0; count >>= 1) {
      top -= 128;
      a0 = f32x4.add(v128.load(top), a0);
      b0 = f32x4.add(v128.load(top, 16), b0);
      a1 = f32x4.add(v128.load(top, 32), a1);
      b1 = f32x4.add(v128.load(top, 48), b1);
      a2 = f32x4.add(v128.load(top, 64), a2);
      b2 = f32x4.add(v128.load(top, 80), b2);
      a3 = f32x4.add(v128.load(top, 96), a3);
      b3 = f32x4.add(v128.load(top, 112), b3);
    }
    v128.store(top, a0);
    v128.store(top, b0, 16);
    v128.store(top, a1, 32);
    v128.store(top, b1, 48);
    v128.store(top, a2, 64);
    v128.store(top, b2, 80);
    v128.store(top, a3, 96);
    v128.store(top, b3, 112);
    top += 128;
  }
  foldStack(stack, top, 128);
  copyVectors(out, stack, 128);
}

// @ts-ignore: decorator
@inline
function gradientRow(
  x: usize, xStride: usize, dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32,
  out: usize, stack: usize,
): void {
  let top = stack;
  for (let shard = lo; shard < hi; shard++) {
    const first = shard * shardSize;
    const last = min(first + shardSize, rows);
    let px = x + <usize>first * xStride;
    let pd = dy + <usize>first * dyStride;
    let a = f32x4.splat(0), b = a;
    for (let n = first; n < last; n++) {
      const s = splat(px);
      a = fma(s, v128.load(pd), a);
      b = fma(s, v128.load(pd, 16), b);
      px += xStride;
      pd += dyStride;
    }
    top = pushPanel(top, shard - lo + 1, a, b);
  }
  foldStack(stack, top, PANEL_BYTES);
  copyVectors(out, stack, PANEL_BYTES);
}

export function columnSums(
  dy: usize, dyStride: usize, rows: i32, shardSize: i32, lo: i32, hi: i32, from: i32, to: i32,
  out: usize, stack: usize,
): void {
  for (let column = from; column < to; column += 8) {
    let top = stack;
    for (let shard = lo; shard < hi; shard++) {
      const first = shard * shardSize;
      const last = min(first + shardSize, rows);
      let pd = dy + <usize>first * dyStride + ((<usize>column) << 2);
      let a = f32x4.splat(0), b = a;
      for (let n = first; n < last; n++) {
        a = f32x4.add(a, v128.load(pd));
        b = f32x4.add(b, v128.load(pd, 16));
        pd += dyStride;
      }
      top = pushPanel(top, shard - lo + 1, a, b);
    }
    foldStack(stack, top, PANEL_BYTES);
    copyVectors(out, stack, PANEL_BYTES);
    out += PANEL_BYTES;
  }
}

// Merges a leaf with the finished subtrees to its left, `count` leaves having been seen; returns the new top.
// @ts-ignore: decorator
@inline
export function pushPanel(top: usize, count: i32, a: v128, b: v128): usize {
  for (; (count & 1) == 0; count >>= 1) {
    top -= PANEL_BYTES;
    a = f32x4.add(v128.load(top), a);
    b = f32x4.add(v128.load(top, 16), b);
  }
  v128.store(top, a);
  v128.store(top, b, 16);
  return top + PANEL_BYTES;
}

// Merges what is left on the stack from right to left, always left + right; the result is at its bottom.
export function foldStack(stack: usize, top: usize, bytes: usize): void {
  for (let right = top - bytes; right > stack; right -= bytes) {
    const left = right - bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(left + i, f32x4.add(v128.load(left + i), v128.load(right + i)));
    }
  }
}

// A few vectors; `memory.copy` leaves WebAssembly for that and takes longer.
// @ts-ignore: decorator
@inline
export function copyVectors(to: usize, from: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
}

export function transpose(w: usize, depth: i32, width: i32, out: usize): void {
  for (let k0 = 0; k0 < depth; k0 += 8) {
    for (let o = 0; o < width; o++) {
      const source = w + (<usize>(o >> 3) * <usize>depth + <usize>k0) * PANEL_BYTES + ((<usize>(o & 7)) << 2);
      for (let j = 0; j < 8; j++) {
        const value = k0 + j < depth ? load<f32>(source + <usize>j * PANEL_BYTES) : 0;
        store<f32>(out + ((<usize>j) << 2), value);
      }
      out += PANEL_BYTES;
    }
  }
}
