// exp, log and tanh as polynomials of our own: engines differ in theirs. Bounds: see test/shared/kernels/mathematics.test.ts.
import { fma } from './arithmetic';

// exp(x) = 2ⁿ · exp(r), n = round(x ÷ ln 2), |r| ≤ ln 2 ÷ 2; the polynomial is Cephes expf's (Moshier).
// 2ⁿ is applied in two factors so that subnormal results are rounded once.
export function exp4(x: v128): v128 {
  const low = f32x4.splat(-104);
  const high = f32x4.splat(89);
  const isLow = f32x4.lt(x, low);
  const isHigh = f32x4.gt(x, high);
  const clamped = v128.bitselect(low, v128.bitselect(high, x, isHigh), isLow);
  const n = f32x4.nearest(f32x4.mul(clamped, f32x4.splat(1.44269504088896341)));
  let r = fma(n, f32x4.splat(-0.693359375), clamped);
  r = fma(n, f32x4.splat(2.12194440e-4), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = fma(p, r, f32x4.splat(1.3981999507e-3));
  p = fma(p, r, f32x4.splat(8.3334519073e-3));
  p = fma(p, r, f32x4.splat(4.1665795894e-2));
  p = fma(p, r, f32x4.splat(1.6666665459e-1));
  p = fma(p, r, f32x4.splat(5.0000001201e-1));
  p = fma(p, f32x4.mul(r, r), f32x4.add(r, f32x4.splat(1)));
  const k = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(k, 1);
  p = f32x4.mul(p, powerOfTwo(half));
  return f32x4.mul(p, powerOfTwo(i32x4.sub(k, half)));
}

// @ts-ignore: decorator
@inline
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

// log(x) = e · ln 2 + log(m), m in [√½, √2); the polynomial is Cephes logf's (Moshier).
// log(0) = −∞, log(x < 0) = NaN, log(+∞) = +∞.
export function log4(x: v128): v128 {
  const subnormal = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, subnormal);
  // The bits minus those of √½ put the exponent into the upper nine bits.
  const shifted = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.shr_s(shifted, 23);
  const m = i32x4.sub(scaled, i32x4.shl(exponent, 23));
  const e = f32x4.sub(
    f32x4.convert_i32x4_s(exponent),
    v128.and(subnormal, f32x4.splat(23)),
  );
  const f = f32x4.sub(m, f32x4.splat(1));
  const z = f32x4.mul(f, f);
  let p = f32x4.splat(7.0376836292e-2);
  p = fma(p, f, f32x4.splat(-1.1514610310e-1));
  p = fma(p, f, f32x4.splat(1.1676998740e-1));
  p = fma(p, f, f32x4.splat(-1.2420140846e-1));
  p = fma(p, f, f32x4.splat(1.4249322787e-1));
  p = fma(p, f, f32x4.splat(-1.6668057665e-1));
  p = fma(p, f, f32x4.splat(2.0000714765e-1));
  p = fma(p, f, f32x4.splat(-2.4999993993e-1));
  p = fma(p, f, f32x4.splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(p, f), z);
  y = fma(e, f32x4.splat(-2.12194440e-4), y);
  y = fma(f32x4.splat(-0.5), z, y);
  y = f32x4.add(f, y);
  y = fma(e, f32x4.splat(0.693359375), y);
  const zero = f32x4.splat(0);
  const infinity = f32x4.splat(Infinity);
  y = v128.bitselect(infinity, y, f32x4.eq(x, infinity));
  y = v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(x, zero));
  // Neither x < 0 nor NaN is ≥ 0.
  return v128.bitselect(y, f32x4.splat(NaN), f32x4.ge(x, zero));
}

// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

// tanh(x) by the polynomial of Cephes tanhf (Moshier) below 0.625, above it (1 − t) ÷ (1 + t) with t = exp(−2|x|).
export function tanh4(x: v128): v128 {
  const size = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = f32x4.splat(-5.70498872745e-3);
  p = fma(p, z, f32x4.splat(2.06390887954e-2));
  p = fma(p, z, f32x4.splat(-5.37397155531e-2));
  p = fma(p, z, f32x4.splat(1.33314422036e-1));
  p = fma(p, z, f32x4.splat(-3.33332819422e-1));
  const near = fma(f32x4.mul(p, z), x, x);
  const one = f32x4.splat(1);
  const t = exp4(f32x4.mul(size, f32x4.splat(-2)));
  const quotient = f32x4.div(f32x4.sub(one, t), f32x4.add(one, t));
  const far = v128.or(quotient, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(near, far, f32x4.lt(size, f32x4.splat(0.625)));
}
