// AVX2 and FMA: a row of a panel is two vectors.
#include <immintrin.h>
#include <stdint.h>

namespace lockstep {
namespace {

using Vector = __m256;
typedef int Integers __attribute__((vector_size(sizeof(Vector))));
typedef uint64_t Pairs __attribute__((vector_size(sizeof(Vector))));

inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vector a) { _mm256_storeu_ps(to, a); }
inline Vector splat(float a) { return _mm256_set1_ps(a); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector squareRoot(Vector a) { return _mm256_sqrt_ps(a); }
inline Vector nearest(Vector a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Integers truncate(Vector a) { return (Integers)_mm256_cvttps_epi32(a); }
inline Vector convert(Integers a) { return _mm256_cvtepi32_ps((__m256i)a); }

/** The product of the two halves of each lane. */
inline Pairs halvesProduct(Pairs a) { return (Pairs)_mm256_mul_epu32((__m256i)a, (__m256i)(a >> 32)); }

/** The first and the second half of a0 b0 a1 b1 … */
inline Vector zipLow(Vector a, Vector b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
inline Vector zipHigh(Vector a, Vector b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

/** table[byte] for as many bytes as a vector has lanes. */
inline Vector lookUp(const float* table, const unsigned char* bytes) {
  const __m128i block = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  return _mm256_i32gather_ps(table, _mm256_cvtepu8_epi32(block), sizeof(float));
}

/** Panels of the widest register tile, and the most rows of a tile of 1, 2, … panels. */
constexpr int tilePanels = 1;
constexpr int denseRows[] = {0, 6};
constexpr int gradientRows[] = {0, 6};

}  // namespace
}  // namespace lockstep

#include "kernels.h"

const Kernel avx2Kernels[] = {KERNELS};
