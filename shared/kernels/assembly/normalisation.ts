// Batch normalisation of a run of rows; vectors run across columns, sums over samples in order.
import { fma } from './arithmetic';
import { PANEL_BYTES } from './layout';
import { isBad, stillFinite } from './update';

export function moments(x: usize, stride: usize, rows: i32, panels: i32, mean: usize, m2: usize): i32 {
  const n = f32x4.splat(<f32>rows);
  const zero = f32x4.splat(0);
  let finite = zero;
  for (let p = 0; p < panels; p++, x += stride) {
    // Half a panel at a time keeps two sums on their way.
    for (let half: usize = 0; half < PANEL_BYTES; half += 32, mean += 32, m2 += 32) {
      const start = x + half;
      const end = start + <usize>rows * PANEL_BYTES;
      let sum0 = zero, sum1 = zero;
      for (let row = start; row < end; row += PANEL_BYTES) {
        sum0 = f32x4.add(sum0, v128.load(row));
        sum1 = f32x4.add(sum1, v128.load(row, 16));
      }
      const mean0 = f32x4.div(sum0, n);
      const mean1 = f32x4.div(sum1, n);
      let square0 = zero, square1 = zero;
      for (let row = start; row < end; row += PANEL_BYTES) {
        const d0 = f32x4.sub(v128.load(row), mean0);
        const d1 = f32x4.sub(v128.load(row, 16), mean1);
        square0 = fma(d0, d0, square0);
        square1 = fma(d1, d1, square1);
      }
      v128.store(mean, mean0);
      v128.store(mean, mean1, 16);
      v128.store(m2, square0);
      v128.store(m2, square1, 16);
      finite = stillFinite(stillFinite(finite, mean0), mean1);
      finite = stillFinite(stillFinite(finite, square0), square1);
    }
  }
  return isBad(finite);
}

export function inverseDeviation(m2: usize, count: f32, epsilon: f32, panels: i32, out: usize): void {
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < <usize>panels * PANEL_BYTES; i += 16) {
    const variance = f32x4.div(v128.load(m2 + i), f32x4.splat(count));
    v128.store(out + i, f32x4.div(one, f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon)))));
  }
}

export function normalise(
  x: usize, y: usize, stride: usize, rows: i32, panels: i32,
  mean: usize, inverse: usize, scale: usize, shift: usize,
): void {
  for (let i: usize = 0; i < <usize>panels * PANEL_BYTES; i += 16) {
    const centre = v128.load(mean + i);
    const factor = v128.load(inverse + i);
    const gain = v128.load(scale + i);
    const offset = v128.load(shift + i);
    const column = columnOf(i, stride);
    let py = y + column;
    const end = x + column + <usize>rows * PANEL_BYTES;
    for (let px = x + column; px < end; px += PANEL_BYTES, py += PANEL_BYTES) {
      v128.store(py, fma(f32x4.mul(f32x4.sub(v128.load(px), centre), factor), gain, offset));
    }
  }
}

export function normaliseSums(
  x: usize, dy: usize, stride: usize, rows: i32, panels: i32,
  mean: usize, inverse: usize, sumDy: usize, sumDyXhat: usize,
): i32 {
  const zero = f32x4.splat(0);
  let finite = zero;
  for (let i: usize = 0; i < <usize>panels * PANEL_BYTES; i += 32) {
    const centre0 = v128.load(mean + i);
    const centre1 = v128.load(mean + i, 16);
    const factor0 = v128.load(inverse + i);
    const factor1 = v128.load(inverse + i, 16);
    let sum0 = zero, sum1 = zero, sumXhat0 = zero, sumXhat1 = zero;
    const column = columnOf(i, stride);
    let pd = dy + column;
    const end = x + column + <usize>rows * PANEL_BYTES;
    for (let px = x + column; px < end; px += PANEL_BYTES, pd += PANEL_BYTES) {
      const d0 = v128.load(pd);
      const d1 = v128.load(pd, 16);
      sum0 = f32x4.add(sum0, d0);
      sum1 = f32x4.add(sum1, d1);
      sumXhat0 = fma(d0, f32x4.mul(f32x4.sub(v128.load(px), centre0), factor0), sumXhat0);
      sumXhat1 = fma(d1, f32x4.mul(f32x4.sub(v128.load(px, 16), centre1), factor1), sumXhat1);
    }
    v128.store(sumDy + i, sum0);
    v128.store(sumDy + i, sum1, 16);
    v128.store(sumDyXhat + i, sumXhat0);
    v128.store(sumDyXhat + i, sumXhat1, 16);
    finite = stillFinite(stillFinite(finite, sum0), sum1);
    finite = stillFinite(stillFinite(finite, sumXhat0), sumXhat1);
  }
  return isBad(finite);
}

export function normaliseBackward(
  x: usize, dy: usize, dx: usize, stride: usize, rows: i32, panels: i32,
  mean: usize, inverse: usize, scale: usize, sumDy: usize, sumDyXhat: usize, count: f32,
): void {
  const n = f32x4.splat(count);
  for (let i: usize = 0; i < <usize>panels * PANEL_BYTES; i += 16) {
    const centre = v128.load(mean + i);
    const factor = v128.load(inverse + i);
    const gain = f32x4.mul(v128.load(scale + i), factor);
    const meanDy = f32x4.div(v128.load(sumDy + i), n);
    const meanDyXhat = f32x4.neg(f32x4.div(v128.load(sumDyXhat + i), n));
    const column = columnOf(i, stride);
    let pd = dy + column;
    let po = dx + column;
    const end = x + column + <usize>rows * PANEL_BYTES;
    for (let px = x + column; px < end; px += PANEL_BYTES, pd += PANEL_BYTES, po += PANEL_BYTES) {
      const xhat = f32x4.mul(f32x4.sub(v128.load(px), centre), factor);
      v128.store(po, f32x4.mul(gain, fma(xhat, meanDyXhat, f32x4.sub(v128.load(pd), meanDy))));
    }
  }
}

// Where the column at byte `i` of a vector begins in a matrix.
// @ts-ignore: decorator
@inline
function columnOf(i: usize, stride: usize): usize {
  return (i >> 6) * stride + (i & 63);
}
