// The new values beside the old.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

/** Stochastic gradient descent: four floats in memory say how. */
class Descent {
 public:
  explicit INLINE Descent(const float* rule)
      : momentum_(splat(rule[1])),
        decay_(splat(rule[2])),
        minusRate_(splat(-rule[0])),
        hasMomentum_(rule[1] != 0),
        hasDecay_(rule[2] != 0),
        isNesterov_(rule[3] != 0) {}

  INLINE void step(
      Vector gradient, const float* w, const float* v, float* newW, float* newV, FiniteCheck& check) const {
    const Vector weight = load(w);
    Vector direction = hasDecay_ ? fma(decay_, weight, gradient) : gradient;
    if (hasMomentum_) {
      const Vector velocity = fma(momentum_, load(v), direction);
      store(newV, velocity);
      check.see(velocity);
      direction = isNesterov_ ? fma(momentum_, velocity, direction) : velocity;
    }
    const Vector updated = fma(minusRate_, direction, weight);
    store(newW, updated);
    check.see(updated);
  }

 private:
  Vector momentum_;
  Vector decay_;
  Vector minusRate_;
  bool hasMomentum_;
  bool hasDecay_;
  bool isNesterov_;
};

int sgd(
    const float* w, const float* g, const float* v, float* newW, float* newV, int count, const float* rule) {
  const Descent descent(rule);
  FiniteCheck check;
  for (int i = 0; i < count; i += lanes) {
    descent.step(load(g + i), w + i, v + i, newW + i, newV + i, check);
  }
  return check.isNonFinite();
}

int movingAverage(const float* old, const float* value, float* out, int count, float momentum, float divisor) {
  const Vector rest = splat(1 - momentum);
  FiniteCheck check;
  for (int i = 0; i < count; i += lanes) {
    const Vector share = rest * (load(value + i) / splat(divisor));
    const Vector updated = fma(splat(momentum), load(old + i), share);
    store(out + i, updated);
    check.see(updated);
  }
  return check.isNonFinite();
}

int nonFinite(const float* x, int count) {
  FiniteCheck check;
  const int whole = count / lanes * lanes;
  for (int i = 0; i < whole; i += lanes) check.see(load(x + i));
  for (int i = whole; i < count; i++) check.see(splat(x[i]));
  return check.isNonFinite();
}

}  // namespace
}  // namespace lockstep
