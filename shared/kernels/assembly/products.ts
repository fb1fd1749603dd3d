// Matrix products. Vectors run across outputs, never across the terms of a sum.
// ROWS is a constant wherever a tile is called, and what lies beyond it falls away.
import { fma } from './arithmetic';
import { PANEL_BYTES, TILE_ROWS } from './layout';

// The height of the next tile where so many rows are left: as few tiles as possible, as even as possible.
// @ts-ignore: decorator
@inline
function nextTile(left: i32): i32 {
  const tiles = (left + TILE_ROWS - 1) / TILE_ROWS;
  return (left + tiles - 1) / tiles;
}

export function dense(
  x: usize, xStride: usize, w: usize, bias: usize, y: usize, yStride: usize,
  rows: i32, depth: i32, width: i32,
): void {
  const weightStride = <usize>depth * PANEL_BYTES;
  // Rows stay in the first-level cache while all weights stream by.
  for (let left = rows; left > 0; ) {
    const height = nextTile(left);
    for (let column = 0; column < width; column += 8) {
      const panel = <usize>(column >> 4);
      const half = (<usize>(column & 8)) << 2;
      const start = bias != 0 ? bias + ((<usize>column) << 2) : 0;
      denseTile(height, x, xStride, w + panel * weightStride + half, start, y + panel * yStride + half, weightStride);
    }
    left -= height;
    x += <usize>height * PANEL_BYTES;
    y += <usize>height * PANEL_BYTES;
  }
}

function denseTile(
  height: i32, x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize,
): void {
  switch (height) {
    case 6: denseTile6(x, xStride, w, bias, y, weightStride); break;
    case 5: denseTile5(x, xStride, w, bias, y, weightStride); break;
    case 4: denseTile4(x, xStride, w, bias, y, weightStride); break;
    case 3: denseTile3(x, xStride, w, bias, y, weightStride); break;
    case 2: denseTile2(x, xStride, w, bias, y, weightStride); break;
    default: denseTile1(x, xStride, w, bias, y, weightStride);
  }
}

export function denseTile1(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(1, x, xStride, w, bias, y, weightStride);
}
export function denseTile2(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(2, x, xStride, w, bias, y, weightStride);
}
export function denseTile3(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(3, x, xStride, w, bias, y, weightStride);
}
export function denseTile4(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(4, x, xStride, w, bias, y, weightStride);
}
export function denseTile5(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(5, x, xStride, w, bias, y, weightStride);
}
export function denseTile6(x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize): void {
  denseRows(6, x, xStride, w, bias, y, weightStride);
}

// @ts-ignore: decorator
@inline
function denseRows(
  ROWS: i32, x: usize, xStride: usize, w: usize, bias: usize, y: usize, weightStride: usize,
): void {
  const left = bias != 0 ? v128.load(bias) : f32x4.splat(0);
  const right = bias != 0 ? v128.load(bias, 16) : f32x4.splat(0);
  let a0 = left, b0 = right;
  let a1 = left, b1 = right;
  let a2 = left, b2 = right;
  let a3 = left, b3 = right;
  let a4 = left, b4 = right;
  let a5 = left, b5 = right;
  for (const end = w + weightStride; w < end; w += PANEL_BYTES) {
    const u = v128.load(w);
    const v = v128.load(w, 16);
    let s = v128.load32_splat(x);
    a0 = fma(s, u, a0);
    b0 = fma(s, v, b0);
    if (ROWS > 1) {
      s = v128.load32_splat(x, 64);
      a1 = fma(s, u, a1);
      b1 = fma(s, v, b1);
    }
    if (ROWS > 2) {
      s = v128.load32_splat(x, 128);
      a2 = fma(s, u, a2);
      b2 = fma(s, v, b2);
    }
    if (ROWS > 3) {
      s = v128.load32_splat(x, 192);
      a3 = fma(s, u, a3);
      b3 = fma(s, v, b3);
    }
    if (ROWS > 4) {
      s = v128.load32_splat(x, 256);
      a4 = fma(s, u, a4);
      b4 = fma(s, v, b4);
    }
    if (ROWS > 5) {
      s = v128.load32_splat(x, 320);
      a5 = fma(s, u, a5);
      b5 = fma(s, v, b5);
    }
    x += 4;
    // The next panel of x begins where this one's row ends.
    if ((x & 63) == 0) x += xStride - PANEL_BYTES;
  }
  v128.store(y, a0);
  v128.store(y, b0, 16);
  if (ROWS > 1) {
    v128.store(y, a1, 64);
    v128.store(y, b1, 80);
  }
  if (ROWS > 2) {
    v128.store(y, a2, 128);
    v128.store(y, b2, 144);
  }
  if (ROWS > 3) {
    v128.store(y, a3, 192);
    v128.store(y, b3, 208);
  }
  if (ROWS > 4) {
    v128.store(y, a4, 256);
    v128.store(y, b4, 272);
  }
  if (ROWS > 5) {
    v128.store(y, a5, 320);
    v128.store(y, b5, 336);
  }
}

export function transpose(w: usize, depth: i32, width: i32, out: usize): void {
  const outStride = <usize>width * PANEL_BYTES;
  for (let k = 0; k < depth; k += 4) {
    const target = out + <usize>(k >> 4) * outStride + ((<usize>(k & 15)) << 2);
    for (let o = 0; o < width; o += 4) {
      const source = w + (<usize>(o >> 4) * <usize>depth + <usize>k) * PANEL_BYTES + ((<usize>(o & 15)) << 2);
      transposeBlock(source, depth - k, target + <usize>o * PANEL_BYTES, width - o);
    }
  }
  // The columns of the last panel beyond those four.
  const last = out + <usize>(depth >> 4) * outStride;
  for (let k = (depth + 3) & 12; k > 0 && k < 16; k += 4) {
    for (let o = 0; o < width; o++) {
      v128.store(last + <usize>o * PANEL_BYTES + ((<usize>k) << 2), f32x4.splat(0));
    }
  }
}

// Four rows by four columns; rows beyond `rows` count as zero, of columns beyond `columns` nothing is written.
// @ts-ignore: decorator
@inline
function transposeBlock(w: usize, rows: i32, out: usize, columns: i32): void {
  const zero = f32x4.splat(0);
  const a = v128.load(w);
  const b = rows > 1 ? v128.load(w, PANEL_BYTES) : zero;
  const c = rows > 2 ? v128.load(w, 2 * PANEL_BYTES) : zero;
  const d = rows > 3 ? v128.load(w, 3 * PANEL_BYTES) : zero;
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(ab0, cd0, 0, 2));
  if (columns > 1) v128.store(out, v128.shuffle<i64>(ab0, cd0, 1, 3), PANEL_BYTES);
  if (columns > 2) v128.store(out, v128.shuffle<i64>(ab1, cd1, 0, 2), 2 * PANEL_BYTES);
  if (columns > 3) v128.store(out, v128.shuffle<i64>(ab1, cd1, 1, 3), 3 * PANEL_BYTES);
}
