import { fma } from './arithmetic';

export function multiplyAdd(a: usize, b: usize, c: usize, out: usize, count: i32): void {
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    v128.store(out + i, fma(v128.load(a + i), v128.load(b + i), v128.load(c + i)));
  }
}

// Twelve chains hide the latency of the multiply-add on every processor that we know of.
export function peak(rounds: i32, out: usize): f64 {
  const factor = f32x4.splat(0.999);
  const term = f32x4.splat(0.001);
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(1);
  let a2 = f32x4.splat(2);
  let a3 = f32x4.splat(3);
  let a4 = f32x4.splat(4);
  let a5 = f32x4.splat(5);
  let a6 = f32x4.splat(6);
  let a7 = f32x4.splat(7);
  let a8 = f32x4.splat(8);
  let a9 = f32x4.splat(9);
  let a10 = f32x4.splat(10);
  let a11 = f32x4.splat(11);
  for (let i = 0; i < rounds; i++) {
    a0 = fma(a0, factor, term);
    a1 = fma(a1, factor, term);
    a2 = fma(a2, factor, term);
    a3 = fma(a3, factor, term);
    a4 = fma(a4, factor, term);
    a5 = fma(a5, factor, term);
    a6 = fma(a6, factor, term);
    a7 = fma(a7, factor, term);
    a8 = fma(a8, factor, term);
    a9 = fma(a9, factor, term);
    a10 = fma(a10, factor, term);
    a11 = fma(a11, factor, term);
  }
  v128.store(out, f32x4.add(f32x4.add(a0, a1), a2), 0);
  v128.store(out, f32x4.add(f32x4.add(a3, a4), a5), 16);
  v128.store(out, f32x4.add(f32x4.add(a6, a7), a8), 32);
  v128.store(out, f32x4.add(f32x4.add(a9, a10), a11), 48);
  return <f64>rounds * 12 * 4 * 2;
}
