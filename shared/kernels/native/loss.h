// Softmax, cross-entropy and what is predicted, row by row.
#pragma once

#include "mathematics.h"

namespace lockstep {
namespace {

/** The classes of one row: class j stands in panel j ÷ 16. */
template <class T>
class Row {
 public:
  INLINE Row(T* matrix, Bytes stride, int row) : first_(matrix + static_cast<size_t>(row) * panelWidth), stride_(stride) {}

  INLINE T& operator[](int j) const { return first_[j / panelWidth * floats(stride_) + j % panelWidth]; }

 private:
  T* const first_;
  const Bytes stride_;
};

using Logits = Row<const float>;
using Outputs = Row<float>;

INLINE int paddedClasses(int classes) { return (classes + panelWidth - 1) / panelWidth * panelWidth; }

INLINE int largest(Logits logits, int classes) {
  int best = 0;
  for (int j = 1; j < classes; j++) {
    if (logits[j] > logits[best]) best = j;
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

INLINE void clearPadding(Outputs out, int classes) {
  for (int j = classes; j < paddedClasses(classes); j++) out[j] = 0;
}

INLINE size_t sampleAt(Optional<const uint32_t> order, int index) {
  return order.pointer == nullptr ? static_cast<size_t>(index) : order.pointer[index];
}

float softmaxCrossEntropy(
    const float* logits, Bytes stride, int classes, int rows, const uint8_t* labels, Optional<const uint32_t> order,
    int first, float divisor, float* gradient) {
  float total = 0;
  for (int r = 0; r < rows; r++) {
    const Logits row(logits, stride, r);
    const Outputs out(gradient, stride, r);
    const int label = labels[sampleAt(order, first + r)];
    const float peak = row[largest(row, classes)];
    const float sum = exponentials(row, classes, peak, out);
    total += logarithm(splat(sum))[0] - (row[label] - peak);
    for (int j = 0; j < paddedClasses(classes); j += lanes) store(&out[j], load(&out[j]) / splat(sum));
    if (label < classes) out[label] -= 1;
    for (int j = 0; j < paddedClasses(classes); j += lanes) store(&out[j], load(&out[j]) / splat(divisor));
    clearPadding(out, classes);
  }
  return total;
}

void softmax(const float* logits, Bytes stride, int classes, int rows, float* out) {
  for (int r = 0; r < rows; r++) {
    const Logits row(logits, stride, r);
    const Outputs to(out, stride, r);
    const float sum = exponentials(row, classes, row[largest(row, classes)], to);
    for (int j = 0; j < paddedClasses(classes); j += lanes) store(&to[j], load(&to[j]) / splat(sum));
    clearPadding(to, classes);
  }
}

void argmax(const float* logits, Bytes stride, int classes, int rows, uint8_t* out) {
  for (int r = 0; r < rows; r++) out[r] = static_cast<uint8_t>(largest(Logits(logits, stride, r), classes));
}

}  // namespace
}  // namespace lockstep
