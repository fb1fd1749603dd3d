// Softmax, cross-entropy and what is predicted, row by row.
#pragma once

#include "mathematics.h"

namespace lockstep {
namespace {

/** The classes of one row: class j stands in panel j ÷ 16. */
template <class T>
class Row {
 public:
  INLINE Row(T* matrix, Bytes stride, int row)
      : first_(matrix + static_cast<size_t>(row) * panelWidth), stride_(stride) {}

  INLINE T& operator[](int j) const { return first_[j / panelWidth * floats(stride_) + j % panelWidth]; }

 private:
  T* const first_;
  const Bytes stride_;
};

using Logits = Row<const float>;
using Outputs = Row<float>;

INLINE int paddedClasses(int classes) { return (classes + panelWidth - 1) / panelWidth * panelWidth; }

struct Largest {
  int index;
  float value;
};

/** The first of the largest logits: there is no branch, since nobody can foresee it. */
INLINE Largest largest(Logits logits, int classes) {
  Largest best = {0, logits[0]};
  for (int j = 1; j < classes; j++) {
    const bool isLarger = logits[j] > best.value;
    best = {isLarger ? j : best.index, isLarger ? logits[j] : best.value};
  }
  return best;
}

/** Writes exp(logit − peak) and returns the sum in class order. */
INLINE float exponentials(Logits logits, int classes, float peak, Outputs out) {
  for (int j = 0; j < paddedClasses(classes); j += lanes) {
    store(&out[j], exponential(load(&logits[j]) - splat(peak)));
  }
  float sum = 0;
  for (int j = 0; j < classes; j++) sum += out[j];
  return sum;
}

/** Replaces each vector of classes by f(their numbers, their values), and the padding by +0. */
template <class F>
INLINE void replace(Outputs out, int classes, F f) {
  Integers number;
  for (int i = 0; i < lanes; i++) number[i] = i;
  for (int j = 0; j < paddedClasses(classes); j += lanes, number += lanes) {
    store(&out[j], number < classes ? f(number, load(&out[j])) : splat(0));
  }
}

INLINE size_t sampleAt(Optional<const uint32_t> order, int index) {
  return order.pointer == nullptr ? static_cast<size_t>(index) : order.pointer[index];
}

float softmaxCrossEntropy(
    const float* logits, Bytes stride, int classes, int rows, const uint8_t* labels,
    Optional<const uint32_t> order, int first, float divisor, float* gradient, float* correct) {
  float total = 0;
  int right = 0;
  for (int r = 0; r < rows; r++) {
    const Logits row(logits, stride, r);
    const Outputs out(gradient, stride, r);
    const int label = labels[sampleAt(order, first + r)];
    const auto [guess, peak] = largest(row, classes);
    const float sum = exponentials(row, classes, peak, out);
    const float loss = logarithm(splat(sum))[0] - (row[label] - peak);
    total += loss;
    // No branch here either: a guess is right or wrong as it likes.
    right += (guess == label) & (loss == loss);
    replace(out, classes, [&](Integers number, Vector value) {
      const Vector probability = value / splat(sum);
      return (number == label ? probability - splat(1) : probability) / splat(divisor);
    });
  }
  *correct = static_cast<float>(right);
  return total;
}

void softmax(const float* logits, Bytes stride, int classes, int rows, float* out) {
  for (int r = 0; r < rows; r++) {
    const Logits row(logits, stride, r);
    const Outputs to(out, stride, r);
    const float sum = exponentials(row, classes, largest(row, classes).value, to);
    replace(to, classes, [&](Integers, Vector value) { return value / splat(sum); });
  }
}

void argmax(const float* logits, Bytes stride, int classes, int rows, uint8_t* out) {
  for (int r = 0; r < rows; r++) {
    out[r] = static_cast<uint8_t>(largest(Logits(logits, stride, r), classes).index);
  }
}

}  // namespace
}  // namespace lockstep
