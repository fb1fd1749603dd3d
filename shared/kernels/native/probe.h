// What the probe and the tests ask of single operations: `count` floats, a multiple of 4.
#pragma once

#include <string.h>

#include "mathematics.h"

namespace lockstep {
namespace {

/** Calls f with the place and number of floats of each vector; the last may have fewer than the lanes. */
template <class F>
INLINE void eachPart(int count, F f) {
  for (int i = 0; i < count; i += lanes) f(i, smaller(count - i, lanes));
}

INLINE Vector loadPart(const float* from, int count) {
  float values[lanes] = {};
  memcpy(values, from, count * sizeof(float));
  return load(values);
}

INLINE void storePart(float* to, Vector a, int count) {
  float values[lanes];
  store(values, a);
  memcpy(to, values, count * sizeof(float));
}

void exp(const float* x, float* y, int count) {
  eachPart(count, [&](int i, int n) { storePart(y + i, exponential(loadPart(x + i, n)), n); });
}

void log(const float* x, float* y, int count) {
  eachPart(count, [&](int i, int n) { storePart(y + i, logarithm(loadPart(x + i, n)), n); });
}

void multiplyAdd(const float* a, const float* b, const float* c, float* out, int count) {
  eachPart(count, [&](int i, int n) {
    storePart(out + i, fma(loadPart(a + i, n), loadPart(b + i, n), loadPart(c + i, n)), n);
  });
}

/** A round is four multiply-adds in each of twelve chains: enough for every multiplier, few enough for 16 registers. */
double peak(int rounds, float* out) {
  constexpr int chains = 12;
  constexpr int steps = 4;
  const Vector half = splat(0.5f);
  Vector sum[chains];
  UNROLLED for (int i = 0; i < chains; i++) sum[i] = splat(static_cast<float>(i));
  for (int round = 0; round < rounds; round++) {
    UNROLLED for (int step = 0; step < steps; step++) {
      UNROLLED for (int i = 0; i < chains; i++) sum[i] = fma(sum[i], half, half);
    }
  }
  UNROLLED for (int i = 1; i < chains; i++) sum[0] = sum[0] + sum[i];
  for (int j = 0; j < panelWidth; j += lanes) store(out + j, sum[0]);
  return 2.0 * rounds * steps * chains * lanes;
}

}  // namespace
}  // namespace lockstep
