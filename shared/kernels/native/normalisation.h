// Batch normalisation of a run of rows; vectors run across columns, sums over samples in order.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

/** Columns summed side by side: an addition takes about as many cycles as there are of them. */
constexpr int chains = 4;

int moments(const float* x, Bytes stride, int rows, int panels, float* mean, float* m2) {
  FiniteCheck check;
  const Vector n = splat(static_cast<float>(rows));
  const size_t end = static_cast<size_t>(rows) * panelWidth;
  eachRun<chains>(panels, [&](auto count, int first) {
    constexpr int columns = count.value;
    const float* column[columns];
    Vector sum[columns];
    Vector squares[columns];
    UNROLLED for (int c = 0; c < columns; c++) {
      column[c] = x + place(first + c, floats(stride));
      sum[c] = squares[c] = splat(0);
    }
    for (size_t r = 0; r < end; r += panelWidth) {
      UNROLLED for (int c = 0; c < columns; c++) sum[c] = sum[c] + load(column[c] + r);
    }
    UNROLLED for (int c = 0; c < columns; c++) sum[c] = sum[c] / n;
    for (size_t r = 0; r < end; r += panelWidth) {
      UNROLLED for (int c = 0; c < columns; c++) {
        const Vector distance = load(column[c] + r) - sum[c];
        squares[c] = fma(distance, distance, squares[c]);
      }
    }
    UNROLLED for (int c = 0; c < columns; c++) {
      store(mean + (first + c) * lanes, sum[c]);
      store(m2 + (first + c) * lanes, squares[c]);
      check.see(sum[c]);
      check.see(squares[c]);
    }
  });
  return check.isNonFinite();
}

void inverseDeviation(const float* m2, float count, float epsilon, int panels, float* out) {
  for (int i = 0; i < panels * panelWidth; i += lanes) {
    const Vector variance = load(m2 + i) / splat(count);
    store(out + i, splat(1) / squareRoot(variance + splat(epsilon)));
  }
}

void normalise(
    const float* x, float* y, Bytes stride, int rows, int panels, const float* mean, const float* inverseDeviation,
    const float* scale, const float* shift) {
  for (int c = 0; c < panels * across; c++) {
    const Vector centre = load(mean + c * lanes);
    const Vector factor = load(inverseDeviation + c * lanes);
    const Vector gain = load(scale + c * lanes);
    const Vector offset = load(shift + c * lanes);
    const size_t start = place(c, floats(stride));
    for (size_t i = start; i < start + static_cast<size_t>(rows) * panelWidth; i += panelWidth) {
      store(y + i, fma((load(x + i) - centre) * factor, gain, offset));
    }
  }
}

int normaliseSums(
    const float* x, const float* dy, Bytes stride, int rows, int panels, const float* mean,
    const float* inverseDeviation, float* sumDy, float* sumDyXhat) {
  FiniteCheck check;
  const size_t end = static_cast<size_t>(rows) * panelWidth;
  eachRun<chains>(panels, [&](auto count, int first) {
    constexpr int columns = count.value;
    Vector sum[columns];
    Vector sumXhat[columns];
    UNROLLED for (int c = 0; c < columns; c++) sum[c] = sumXhat[c] = splat(0);
    for (size_t r = 0; r < end; r += panelWidth) {
      UNROLLED for (int c = 0; c < columns; c++) {
        const size_t i = place(first + c, floats(stride)) + r;
        const int j = (first + c) * lanes;
        const Vector slope = load(dy + i);
        sum[c] = sum[c] + slope;
        sumXhat[c] = fma(slope, (load(x + i) - load(mean + j)) * load(inverseDeviation + j), sumXhat[c]);
      }
    }
    UNROLLED for (int c = 0; c < columns; c++) {
      store(sumDy + (first + c) * lanes, sum[c]);
      store(sumDyXhat + (first + c) * lanes, sumXhat[c]);
      check.see(sum[c]);
      check.see(sumXhat[c]);
    }
  });
  return check.isNonFinite();
}

void normaliseBackward(
    const float* x, const float* dy, float* dx, Bytes stride, int rows, int panels, const float* mean,
    const float* inverseDeviation, const float* scale, const float* sumDy, const float* sumDyXhat, float count) {
  const Vector n = splat(count);
  for (int c = 0; c < panels * across; c++) {
    const Vector centre = load(mean + c * lanes);
    const Vector factor = load(inverseDeviation + c * lanes);
    const Vector gain = load(scale + c * lanes) * factor;
    const Vector meanDy = load(sumDy + c * lanes) / n;
    const Vector minusMeanDyXhat = -(load(sumDyXhat + c * lanes) / n);
    const size_t start = place(c, floats(stride));
    for (size_t i = start; i < start + static_cast<size_t>(rows) * panelWidth; i += panelWidth) {
      const Vector xhat = (load(x + i) - centre) * factor;
      store(dx + i, gain * fma(xhat, minusMeanDyXhat, load(dy + i) - meanDy));
    }
  }
}

}  // namespace
}  // namespace lockstep
