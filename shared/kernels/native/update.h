// The new values beside the old.
#pragma once

#include "checksum.h"

namespace lockstep {
namespace {

/** Stochastic gradient descent. What is left out costs nothing: each combination has a loop of its own. */
class Descent {
 public:
  explicit Descent(const float* rule)
      : rate_(rule[0]), momentum_(rule[1]), decay_(rule[2]), isNesterov_(rule[3] != 0) {}

  void step(
      const float* w, const float* g, const float* v, float* newW, float* newV, int count, uint32_t position,
      Notice& notice) const {
    withFlag(decay_ != 0, [&](auto hasDecay) {
      withFlag(momentum_ != 0, [&](auto hasMomentum) {
        withFlag(isNesterov_, [&](auto isNesterov) {
          notice = step<hasDecay, hasMomentum, isNesterov>(w, g, v, newW, newV, count, Keys(position), notice);
        });
      });
    });
  }

 private:
  template <bool hasDecay, bool hasMomentum, bool isNesterov>
  INLINE Notice step(
      const float* w, const float* g, const float* v, float* newW, float* newV, int count, Keys keys,
      Notice notice) const {
    const Vector minusRate = splat(-rate_);
    const Vector momentum = splat(momentum_);
    const Vector decay = splat(decay_);
    for (int i = 0; i < count; i += lanes) {
      const Vector weight = load(w + i);
      Vector direction = load(g + i);
      if (hasDecay) direction = fma(decay, weight, direction);
      if (hasMomentum) {
        const Vector velocity = fma(momentum, load(v + i), direction);
        store(newV + i, velocity);
        notice.see(velocity, keys.ofState());
        direction = isNesterov ? fma(momentum, velocity, direction) : velocity;
      }
      const Vector updated = fma(minusRate, direction, weight);
      store(newW + i, updated);
      notice.see(updated, keys.here());
      keys.advance();
    }
    return notice;
  }

  float rate_;
  float momentum_;
  float decay_;
  bool isNesterov_;
};

int sgd(
    const float* w, const float* g, const float* v, float* newW, float* newV, int count, const float* rule,
    uint32_t position, uint64_t* checksum) {
  Notice notice;
  Descent(rule).step(w, g, v, newW, newV, count, position, notice);
  return notice.finish(checksum);
}

int movingAverage(
    const float* old, const float* value, float* out, int count, float momentum, float divisor,
    uint32_t position, uint64_t* checksum) {
  const Vector rest = splat(1 - momentum);
  Notice notice;
  Keys keys(position);
  for (int i = 0; i < count; i += lanes) {
    const Vector share = rest * (load(value + i) / splat(divisor));
    const Vector updated = fma(splat(momentum), load(old + i), share);
    store(out + i, updated);
    notice.see(updated, keys.here());
    keys.advance();
  }
  return notice.finish(checksum);
}

void checksum(const float* x, int count, uint32_t position, uint64_t* sum) {
  Checksum checksum;
  Keys keys(position);
  for (int i = 0; i < count; i += lanes) {
    checksum.see(load(x + i), keys.here());
    keys.advance();
  }
  checksum.addTo(sum);
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
