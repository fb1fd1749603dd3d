// What the kernels share, over the Vector of the file that includes them.
#pragma once

#include "kernel.h"

#ifdef __FAST_MATH__
#error "fast-math changes bits"
#endif

#ifdef __clang__
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 64")
#endif
#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

namespace lockstep {
namespace {

constexpr int panelWidth = 16;
constexpr int lanes = sizeof(Vector) / sizeof(float);
/** Vectors of a row of a panel. */
constexpr int across = panelWidth / lanes;

INLINE size_t floats(Bytes stride) { return stride / sizeof(float); }

INLINE int smaller(int a, int b) { return a < b ? a : b; }

/** Where vector c of a row over several panels stands. */
INLINE size_t place(int c, size_t stride) {
  return static_cast<size_t>(c / across) * stride + static_cast<size_t>(c % across * lanes);
}

/** The height of the next tile where `left` rows are cut as evenly as can be into tiles of at most `most`. */
INLINE int nextHeight(int left, int most) {
  const int tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

template <int n>
struct Constant {
  static constexpr int value = n;
};

/** Calls f with 1 ≤ n ≤ most as a constant. */
template <int most, class F>
INLINE void withConstant(int n, F f) {
  if constexpr (most > 1) {
    if (n < most) return withConstant<most - 1>(n, f);
  }
  f(Constant<most>());
}

/** Calls f with the columns of so many panels in runs of at most `most` vectors: their number and the first. */
template <int most, class F>
INLINE void eachRun(int panels, F f) {
  for (int first = 0; first < panels * across; first += most) {
    withConstant<most>(smaller(panels * across - first, most), [&](auto n) { f(n, first); });
  }
}

/** Calls f with the place of every vector in a run of rows of some panels. */
template <class F>
INLINE void eachVector(Bytes stride, int rows, int panels, F f) {
  for (int p = 0; p < panels; p++) {
    const size_t start = p * floats(stride);
    const size_t end = start + static_cast<size_t>(rows) * panelWidth;
    for (size_t i = start; i < end; i += lanes) f(i);
  }
}

/** A sum of values times zero: NaN as soon as one of them is not finite. */
class FiniteCheck {
 public:
  INLINE void see(Vector value) { sum_ = fma(value, splat(0), sum_); }

  INLINE int isNonFinite() const {
    float values[lanes];
    store(values, sum_);
    for (float value : values) {
      if (value != value) return 1;
    }
    return 0;
  }

 private:
  Vector sum_ = splat(0);
};

}  // namespace
}  // namespace lockstep
