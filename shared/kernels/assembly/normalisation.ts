// Batch normalisation of a run of rows; vectors run across columns, sums over samples in order.
import { fma } from './arithmetic';

export function moments(x: usize, stride: usize, rows: i32, width: i32, mean: usize, m2: usize): void {
  const n = f32x4.splat(<f32>rows);
  const zero = f32x4.splat(0);
  for (let column: usize = 0; column < ((<usize>width) << 2); column += 32) {
    let sum0 = zero, sum1 = zero;
    let p = x + column;
    for (let r = 0; r < rows; r++, p += stride) {
      sum0 = f32x4.add(sum0, v128.load(p));
      sum1 = f32x4.add(sum1, v128.load(p, 16));
    }
    const mean0 = f32x4.div(sum0, n);
    const mean1 = f32x4.div(sum1, n);
    let square0 = zero, square1 = zero;
    p = x + column;
    for (let r = 0; r < rows; r++, p += stride) {
      const d0 = f32x4.sub(v128.load(p), mean0);
      const d1 = f32x4.sub(v128.load(p, 16), mean1);
      square0 = fma(d0, d0, square0);
      square1 = fma(d1, d1, square1);
    }
    v128.store(mean + column, mean0);
    v128.store(mean + column, mean1, 16);
    v128.store(m2 + column, square0);
    v128.store(m2 + column, square1, 16);
  }
}

export function inverseDeviation(m2: usize, count: f32, epsilon: f32, width: i32, out: usize): void {
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < ((<usize>width) << 2); i += 16) {
    const variance = f32x4.div(v128.load(m2 + i), f32x4.splat(count));
    v128.store(out + i, f32x4.div(one, f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon)))));
  }
}

export function normalise(
  x: usize, y: usize, stride: usize, rows: i32, width: i32,
  mean: usize, inverse: usize, scale: usize, shift: usize,
): void {
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    for (let i: usize = 0; i < ((<usize>width) << 2); i += 16) {
      const xhat = f32x4.mul(f32x4.sub(v128.load(x + i), v128.load(mean + i)), v128.load(inverse + i));
      v128.store(y + i, fma(xhat, v128.load(scale + i), v128.load(shift + i)));
    }
  }
}

export function normaliseSums(
  x: usize, dy: usize, stride: usize, rows: i32, width: i32,
  mean: usize, inverse: usize, sumDy: usize, sumDyXhat: usize,
): void {
  for (let i: usize = 0; i < ((<usize>width) << 2); i += 16) {
    const centre = v128.load(mean + i);
    const factor = v128.load(inverse + i);
    let sum = f32x4.splat(0);
    let sumXhat = sum;
    let px = x + i;
    let pd = dy + i;
    for (let r = 0; r < rows; r++, px += stride, pd += stride) {
      const d = v128.load(pd);
      sum = f32x4.add(sum, d);
      sumXhat = fma(d, f32x4.mul(f32x4.sub(v128.load(px), centre), factor), sumXhat);
    }
    v128.store(sumDy + i, sum);
    v128.store(sumDyXhat + i, sumXhat);
  }
}

export function normaliseBackward(
  x: usize, dy: usize, dx: usize, stride: usize, rows: i32, width: i32,
  mean: usize, inverse: usize, scale: usize, sumDy: usize, sumDyXhat: usize, count: f32,
): void {
  const n = f32x4.splat(count);
  for (let i: usize = 0; i < ((<usize>width) << 2); i += 16) {
    const centre = v128.load(mean + i);
    const factor = v128.load(inverse + i);
    const gain = f32x4.mul(v128.load(scale + i), factor);
    const meanDy = f32x4.div(v128.load(sumDy + i), n);
    const meanDyXhat = f32x4.neg(f32x4.div(v128.load(sumDyXhat + i), n));
    let px = x + i;
    let pd = dy + i;
    let po = dx + i;
    for (let r = 0; r < rows; r++, px += stride, pd += stride, po += stride) {
      const xhat = f32x4.mul(f32x4.sub(v128.load(px), centre), factor);
      v128.store(po, f32x4.mul(gain, fma(xhat, meanDyXhat, f32x4.sub(v128.load(pd), meanDy))));
    }
  }
}
