// AVX-512 (F and DQ): a row of a panel is one vector.
#include <immintrin.h>
#include <stdint.h>

namespace lockstep {
namespace {

using Vector = __m512;
typedef int Integers __attribute__((vector_size(sizeof(Vector))));
typedef uint64_t Pairs __attribute__((vector_size(sizeof(Vector))));

inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vector a) { _mm512_storeu_ps(to, a); }
inline Vector splat(float a) { return _mm512_set1_ps(a); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector squareRoot(Vector a) { return _mm512_sqrt_ps(a); }
inline Vector nearest(Vector a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Integers truncate(Vector a) { return (Integers)_mm512_cvttps_epi32(a); }
inline Vector convert(Integers a) { return _mm512_cvtepi32_ps((__m512i)a); }

/** The product of the two halves of each lane. */
inline Pairs halvesProduct(Pairs a) { return (Pairs)_mm512_mul_epu32((__m512i)a, (__m512i)(a >> 32)); }

/** The first and the second half of a0 b0 a1 b1 … */
inline Vector zipLow(Vector a, Vector b) {
  return _mm512_permutex2var_ps(
      a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
}
inline Vector zipHigh(Vector a, Vector b) {
  return _mm512_permutex2var_ps(
      a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
}

/** table[byte] for as many bytes as a vector has lanes. */
inline Vector lookUp(const float* table, const unsigned char* bytes) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  return _mm512_i32gather_ps(_mm512_cvtepu8_epi32(block), table, sizeof(float));
}

/** Panels of the widest register tile, and the most rows of a tile of 1, 2, … panels. */
constexpr int tilePanels = 3;
constexpr int denseRows[] = {0, 16, 12, 8};
constexpr int gradientRows[] = {0, 16, 8, 8};

}  // namespace
}  // namespace lockstep

#include "kernels.h"

const Kernel avx512Kernels[] = {KERNELS};
