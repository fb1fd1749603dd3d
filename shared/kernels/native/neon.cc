// NEON of AArch64: a row of a panel is four vectors.
#include <arm_neon.h>
#include <stdint.h>

namespace lockstep {
namespace {

using Vector = float32x4_t;
typedef int Integers __attribute__((vector_size(sizeof(Vector))));
typedef uint64_t Pairs __attribute__((vector_size(sizeof(Vector))));

inline Vector load(const float* from) { return vld1q_f32(from); }
inline void store(float* to, Vector a) { vst1q_f32(to, a); }
inline Vector splat(float a) { return vdupq_n_f32(a); }
inline Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
inline Vector squareRoot(Vector a) { return vsqrtq_f32(a); }
inline Vector nearest(Vector a) { return vrndnq_f32(a); }
inline Integers truncate(Vector a) { return (Integers)vcvtq_s32_f32(a); }
inline Vector convert(Integers a) { return vcvtq_f32_s32((int32x4_t)a); }

/** The product of the two halves of each lane. */
inline Pairs halvesProduct(Pairs a) {
  return (Pairs)vmull_u32(vmovn_u64((uint64x2_t)a), vshrn_n_u64((uint64x2_t)a, 32));
}

/** The first and the second half of a0 b0 a1 b1 … */
inline Vector zipLow(Vector a, Vector b) { return vzip1q_f32(a, b); }
inline Vector zipHigh(Vector a, Vector b) { return vzip2q_f32(a, b); }

/** table[byte] for as many bytes as a vector has lanes. */
inline Vector lookUp(const float* table, const unsigned char* bytes) {
  return Vector{table[bytes[0]], table[bytes[1]], table[bytes[2]], table[bytes[3]]};
}

/** Panels of the widest register tile, and the most rows of a tile of 1, 2, … panels. */
constexpr int tilePanels = 1;
constexpr int denseRows[] = {0, 6};
constexpr int gradientRows[] = {0, 6};

}  // namespace
}  // namespace lockstep

#include "kernels.h"

const Kernel neonKernels[] = {KERNELS};
