// Elementwise functions. What is not a product says its order of operations in the formula.
#pragma once

#include "mathematics.h"

namespace lockstep {
namespace {

void relu(const float* x, float* y, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) {
    const Vector value = load(x + i);
    store(y + i, value > splat(0) ? value : splat(0));
  });
}

void reluBackward(const float* y, const float* dy, float* dx, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) {
    store(dx + i, load(y + i) > splat(0) ? load(dy + i) : splat(0));
  });
}

void sigmoid(const float* x, float* y, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) { store(y + i, sigmoidOf(load(x + i))); });
}

void sigmoidBackward(const float* y, const float* dy, float* dx, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) {
    const Vector value = load(y + i);
    store(dx + i, load(dy + i) * (value * (splat(1) - value)));
  });
}

void tanh(const float* x, float* y, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) { store(y + i, tanhOf(load(x + i))); });
}

// 1 − y·y is a multiply-accumulate and therefore fused.
void tanhBackward(const float* y, const float* dy, float* dx, Bytes stride, int rows, int panels) {
  eachVector(stride, rows, panels, [&](size_t i) {
    const Vector value = load(y + i);
    store(dx + i, load(dy + i) * fma(-value, value, splat(1)));
  });
}

void affine(const float* x, float* y, Bytes stride, int rows, int panels, float slope, float intercept) {
  eachVector(stride, rows, panels, [&](size_t i) {
    store(y + i, fma(splat(slope), load(x + i), splat(intercept)));
  });
}

void affineBackward(const float* dy, float* dx, Bytes stride, int rows, int panels, float slope) {
  eachVector(stride, rows, panels, [&](size_t i) { store(dx + i, load(dy + i) * splat(slope)); });
}

}  // namespace
}  // namespace lockstep
