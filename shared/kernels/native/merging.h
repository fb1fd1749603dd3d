// Partials of shards become totals of tree nodes.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

/**
 * The sum of leaves in the tree's order, `count` vectors each: a leaf is merged with the finished subtrees on the
 * stack as a binary counter is incremented, always left + right.
 */
template <int count>
class Tree {
 public:
  explicit INLINE Tree(float* stack) : stack_(stack), top_(stack) {}

  /** Adds a leaf that is not the last. */
  INLINE void push(Vector (&leaf)[count]) {
    leaves_++;
    for (unsigned n = leaves_; n % 2 == 0; n /= 2) merge(leaf);
    UNROLLED for (int i = 0; i < count; i++) store(top_ + i * lanes, leaf[i]);
    top_ += count * lanes;
  }

  /** Adds the last leaf, which becomes the sum of all. */
  INLINE void finish(Vector (&leaf)[count]) {
    while (top_ > stack_) merge(leaf);
  }

 private:
  INLINE void merge(Vector (&right)[count]) {
    top_ -= count * lanes;
    UNROLLED for (int i = 0; i < count; i++) right[i] = load(top_ + i * lanes) + right[i];
  }

  float* const stack_;
  float* top_;
  unsigned leaves_ = 0;
};

int mergeSums(
    const float* slots, Bytes slotStride, int lo, int hi, int from, int to, float* out, float* stack) {
  FiniteCheck check;
  for (int column = from; column < to; column += lanes, out += lanes) {
    const float* slot = slots + static_cast<size_t>(lo) * floats(slotStride) + column;
    Tree<1> tree(stack);
    Vector sum[1] = {load(slot)};
    for (int shard = lo + 1; shard < hi; shard++) {
      tree.push(sum);
      slot += floats(slotStride);
      sum[0] = load(slot);
    }
    tree.finish(sum);
    store(out, sum[0]);
    check.see(sum[0]);
  }
  return check.isNonFinite();
}

struct Moments {
  Vector count;
  Vector mean;
  Vector m2;
};

// Chan, Golub, LeVeque (1979), with one order of operations: n = a + b; δ = mean_b − mean_a; s = b ÷ n;
// mean = δ · s + mean_a; M2 = (δ · δ) · (a · s) + (M2_a + M2_b).
INLINE Moments merged(const Moments& a, const Moments& b) {
  const Vector n = a.count + b.count;
  const Vector delta = b.mean - a.mean;
  const Vector share = b.count / n;
  return {n, fma(delta, share, a.mean), fma(delta * delta, a.count * share, a.m2 + b.m2)};
}

int mergeMoments(
    const float* slots, Bytes slotStride, int width, int rows, int shardSize, int lo, int hi, int from, int to,
    Optional<float> outMean, Optional<float> outM2, float* /* stack */) {
  FiniteCheck check;
  for (int column = from; column < to; column += lanes) {
    Moments levels[33];  // a tree of 2³² shards
    int top = 0;
    for (int shard = lo; shard < hi; shard++) {
      const float* slot = slots + static_cast<size_t>(shard) * floats(slotStride) + column;
      const int first = shard * shardSize;
      const float count = static_cast<float>(smaller(first + shardSize, rows) - first);
      levels[top] = {splat(count), load(slot), load(slot + width)};
      for (unsigned n = static_cast<unsigned>(shard - lo) + 1; n % 2 == 0; n /= 2, top--) {
        levels[top - 1] = merged(levels[top - 1], levels[top]);
      }
      top++;
    }
    for (top--; top > 0; top--) levels[top - 1] = merged(levels[top - 1], levels[top]);
    if (outMean.pointer != nullptr) store(outMean.pointer + column - from, levels[0].mean);
    if (outM2.pointer != nullptr) store(outM2.pointer + column - from, levels[0].m2);
    check.see(levels[0].mean);
    check.see(levels[0].m2);
  }
  return check.isNonFinite();
}

}  // namespace
}  // namespace lockstep
