// exp, log and tanh as polynomials of our own: see shared/kernels/assembly/mathematics.ts, operation by operation.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

typedef unsigned Words __attribute__((vector_size(sizeof(Vector))));

INLINE Integers everywhere(int a) { return Integers{} + a; }

// 2ⁿ for −126 ≤ n ≤ 127.
INLINE Vector powerOfTwo(Integers n) { return (Vector)((Words)(n + 127) << 23); }

INLINE Vector exponential(Vector x) {
  const Vector low = splat(-104);
  const Vector high = splat(89);
  const Vector clamped = x < low ? low : x > high ? high : x;
  const Vector n = nearest(clamped * splat(1.44269504088896341f));
  Vector r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  Vector p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + splat(1));
  // In two factors, so that subnormal results are rounded once.
  const Integers k = truncate(n);
  const Integers half = k >> 1;
  return p * powerOfTwo(half) * powerOfTwo(k - half);
}

INLINE Vector logarithm(Vector x) {
  const Vector zero = splat(0);
  const Vector infinity = splat(__builtin_inff());
  const Integers isSubnormal = x < splat(1.17549435e-38f);
  const Vector scaled = isSubnormal ? x * splat(8388608) : x;
  // The bits minus those of √½ put the exponent into the upper nine bits.
  const Integers exponent = (Integers)((Words)scaled - 0x3f3504f3u) >> 23;
  const Vector m = (Vector)((Words)scaled - ((Words)exponent << 23));
  const Vector e = convert(exponent) - (isSubnormal ? splat(23) : zero);
  const Vector f = m - splat(1);
  const Vector z = f * f;
  Vector p = splat(7.0376836292e-2f);
  p = fma(p, f, splat(-1.1514610310e-1f));
  p = fma(p, f, splat(1.1676998740e-1f));
  p = fma(p, f, splat(-1.2420140846e-1f));
  p = fma(p, f, splat(1.4249322787e-1f));
  p = fma(p, f, splat(-1.6668057665e-1f));
  p = fma(p, f, splat(2.0000714765e-1f));
  p = fma(p, f, splat(-2.4999993993e-1f));
  p = fma(p, f, splat(3.3333331174e-1f));
  Vector y = p * f * z;
  y = fma(e, splat(-2.12194440e-4f), y);
  y = fma(splat(-0.5f), z, y);
  y = f + y;
  y = fma(e, splat(0.693359375f), y);
  y = x == infinity ? infinity : y;
  y = x == zero ? -infinity : y;
  // Neither x < 0 nor NaN is ≥ 0.
  return x >= zero ? y : splat(__builtin_nanf(""));
}

INLINE Vector sigmoidOf(Vector x) { return splat(1) / (splat(1) + exponential(-x)); }

INLINE Vector tanhOf(Vector x) {
  const Integers sign = everywhere(INT32_MIN);
  const Vector size = (Vector)((Integers)x & ~sign);
  const Vector z = x * x;
  Vector p = splat(-5.70498872745e-3f);
  p = fma(p, z, splat(2.06390887954e-2f));
  p = fma(p, z, splat(-5.37397155531e-2f));
  p = fma(p, z, splat(1.33314422036e-1f));
  p = fma(p, z, splat(-3.33332819422e-1f));
  const Vector near = fma(p * z, x, x);
  const Vector t = exponential(size * splat(-2));
  const Vector quotient = (splat(1) - t) / (splat(1) + t);
  const Vector far = (Vector)((Integers)quotient | ((Integers)x & sign));
  return size < splat(0.625f) ? near : far;
}

}  // namespace
}  // namespace lockstep
