// Elementwise functions of matrices, whose panels are runs of rows · 16 floats; `exp` and `log` of vectors.
import { fma } from './arithmetic';
import { exp4, log4, sigmoid4, tanh4 } from './mathematics';
import { PANEL_BYTES } from './layout';

// @ts-ignore: decorator
@inline
function keepWherePositive(value: v128, by: v128): v128 {
  return v128.and(value, f32x4.gt(by, f32x4.splat(0)));
}

export function relu(x: usize, y: usize, stride: usize, rows: i32, panels: i32): void {
  for (let p = 0; p < panels; p++, x += stride, y += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      const value = v128.load(x + i);
      v128.store(y + i, keepWherePositive(value, value));
    }
  }
}

export function reluBackward(y: usize, dy: usize, dx: usize, stride: usize, rows: i32, panels: i32): void {
  for (let p = 0; p < panels; p++, y += stride, dy += stride, dx += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      v128.store(dx + i, keepWherePositive(v128.load(dy + i), v128.load(y + i)));
    }
  }
}

export function sigmoid(x: usize, y: usize, stride: usize, rows: i32, panels: i32): void {
  for (let p = 0; p < panels; p++, x += stride, y += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      v128.store(y + i, sigmoid4(v128.load(x + i)));
    }
  }
}

export function sigmoidBackward(y: usize, dy: usize, dx: usize, stride: usize, rows: i32, panels: i32): void {
  const one = f32x4.splat(1);
  for (let p = 0; p < panels; p++, y += stride, dy += stride, dx += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      const value = v128.load(y + i);
      v128.store(dx + i, f32x4.mul(v128.load(dy + i), f32x4.mul(value, f32x4.sub(one, value))));
    }
  }
}

export function tanh(x: usize, y: usize, stride: usize, rows: i32, panels: i32): void {
  for (let p = 0; p < panels; p++, x += stride, y += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      v128.store(y + i, tanh4(v128.load(x + i)));
    }
  }
}

// 1 − y·y is a multiply-accumulate and therefore fused.
export function tanhBackward(y: usize, dy: usize, dx: usize, stride: usize, rows: i32, panels: i32): void {
  const one = f32x4.splat(1);
  for (let p = 0; p < panels; p++, y += stride, dy += stride, dx += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      const value = v128.load(y + i);
      v128.store(dx + i, f32x4.mul(v128.load(dy + i), fma(f32x4.neg(value), value, one)));
    }
  }
}

export function affine(
  x: usize, y: usize, stride: usize, rows: i32, panels: i32, slope: f32, intercept: f32,
): void {
  for (let p = 0; p < panels; p++, x += stride, y += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      v128.store(y + i, fma(f32x4.splat(slope), v128.load(x + i), f32x4.splat(intercept)));
    }
  }
}

export function affineBackward(dy: usize, dx: usize, stride: usize, rows: i32, panels: i32, slope: f32): void {
  for (let p = 0; p < panels; p++, dy += stride, dx += stride) {
    for (let i: usize = 0; i < <usize>rows * PANEL_BYTES; i += 16) {
      v128.store(dx + i, f32x4.mul(v128.load(dy + i), f32x4.splat(slope)));
    }
  }
}

export function exp(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    v128.store(y + i, exp4(v128.load(x + i)));
  }
}

export function log(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    v128.store(y + i, log4(v128.load(x + i)));
  }
}
