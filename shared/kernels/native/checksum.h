// The checksum of what an update writes (see twin/checksum.ts), as it is written.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

/** 32-bit lanes; Pairs are lanes of two of them. */
typedef uint32_t Words __attribute__((vector_size(sizeof(Vector))));

/** What the words from a position of the flat vector on are told apart by. */
class Keys {
 public:
  explicit INLINE Keys(uint32_t position) {
    UNROLLED for (uint32_t i = 0; i < lanes; i++) keys_[i] = stride * (position + i);
  }

  INLINE Words here() const { return keys_; }
  /** Those of the optimizer's state, 2^31 positions behind. */
  INLINE Words ofState() const { return keys_ ^ 0x80000000; }
  INLINE void advance() { keys_ += stride * lanes; }

 private:
  static constexpr uint32_t stride = 0x9e3779b9;
  Words keys_;
};

class Checksum {
 public:
  INLINE void see(Vector value, Words keys) {
    const Pairs keyed = (Pairs)((Words)value + keys);
    sum_ += keyed + halvesProduct(keyed);
  }

  INLINE void addTo(uint64_t* sum) const {
    for (int i = 0; i < lanes / 2; i++) *sum += sum_[i];
  }

 private:
  Pairs sum_ = {};
};

/** What is noticed of new values: whether all are finite, and their checksum. */
struct Notice {
  FiniteCheck check;
  Checksum checksum;

  INLINE void see(Vector value, Words keys) {
    check.see(value);
    checksum.see(value, keys);
  }

  INLINE int finish(uint64_t* sum) const {
    checksum.addTo(sum);
    return check.isNonFinite();
  }
};

}  // namespace
}  // namespace lockstep
