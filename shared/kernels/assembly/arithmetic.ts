// The one multiply-add of the contract, vectors of four. Two builds: with relaxed SIMD it is the processor's
// fused instruction (the loader probes that it really is), without it is computed exactly through binary64.

// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return f32x4.relaxed_madd(a, b, c);
  } else {
    return exactFma(a, b, c);
  }
}

// A product of two binary32 is exact in binary64. The sum is rounded there and then to binary32, and the two
// roundings give the fused result except where the first one hit the middle between two binary32, or where the
// result is subnormal and has fewer digits. Both are rare; then the sum is rounded to odd instead.
// @ts-ignore: decorator
@inline
function exactFma(a: v128, b: v128, c: v128): v128 {
  const low = multiplyAdd(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b), f64x2.promote_low_f32x4(c));
  const high = multiplyAdd(
    f64x2.promote_low_f32x4(upper(a)),
    f64x2.promote_low_f32x4(upper(b)),
    f64x2.promote_low_f32x4(upper(c)),
  );
  return v128.shuffle<i32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

// @ts-ignore: decorator
@inline
function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  const product = f64x2.mul(a, b);
  const sum = f64x2.add(product, c);
  // The 29 digits that binary32 has less, at a tie.
  const isTie = i64x2.eq(v128.and(sum, i64x2.splat(0x1fffffff)), i64x2.splat(0x10000000));
  const isSmall = f64x2.lt(f64x2.abs(sum), f64x2.splat(1.1754943508222875e-38));
  if (v128.any_true(v128.or(isTie, v128.and(isSmall, f64x2.ne(sum, f64x2.splat(0)))))) {
    return roundToOdd(product, c, sum);
  }
  return sum;
}

// @ts-ignore: decorator
@inline
function upper(a: v128): v128 {
  return v128.shuffle<i32>(a, a, 2, 3, 0, 1);
}

// product + c rounded to odd (Boldo and Melquiond, 2008): with 53 ≥ 24 + 2 digits, rounding that to binary32 is the
// rounding of the exact value.
function roundToOdd(product: v128, c: v128, sum: v128): v128 {
  // Knuth's two-sum: sum + error is exactly product + c.
  const cPart = f64x2.sub(sum, product);
  const error = f64x2.add(f64x2.sub(product, f64x2.sub(sum, cPart)), f64x2.sub(c, cPart));
  const zero = f64x2.splat(0);
  // NaN (from an infinite sum) compares false both times and leaves the sum alone.
  const inexact = v128.or(f64x2.lt(error, zero), f64x2.gt(error, zero));
  const even = i64x2.eq(v128.and(sum, i64x2.splat(1)), i64x2.splat(0));
  // One unit away from zero where the error has the sum's sign, towards zero where not.
  const unit = v128.or(i64x2.shr_s(v128.xor(error, sum), 63), i64x2.splat(1));
  return i64x2.add(sum, v128.and(v128.and(inexact, even), unit));
}

// @ts-ignore: decorator
@inline
export function splat(p: usize): v128 {
  return v128.load32_splat(p);
}
