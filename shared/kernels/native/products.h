// Matrix products. Vectors run across outputs, never across the terms of a sum.
#pragma once

#include "vectors.h"

namespace lockstep {
namespace {

/** `rows` rows by `panels` panels of a product, in registers; x, w, bias and y are where the tile begins. */
template <int rows, int panels>
NOINLINE void denseTile(
    const float* x, size_t xStride, const float* w, const float* bias, float* y, size_t yStride, int depth) {
  constexpr int columns = panels * across;
  const size_t wStride = static_cast<size_t>(depth) * panelWidth;
  Vector sum[rows][columns];
  UNROLLED for (int c = 0; c < columns; c++) {
    const Vector start = bias == nullptr ? splat(0) : load(bias + c * lanes);
    UNROLLED for (int r = 0; r < rows; r++) sum[r][c] = start;
  }
  for (; depth > 0; depth -= panelWidth, x += xStride) {
    const float* end = x + smaller(depth, panelWidth);
    for (const float* term = x; term < end; term++, w += panelWidth) {
      Vector weights[columns];
      UNROLLED for (int c = 0; c < columns; c++) weights[c] = load(w + place(c, wStride));
      UNROLLED for (int r = 0; r < rows; r++) {
        const Vector value = splat(term[r * panelWidth]);
        UNROLLED for (int c = 0; c < columns; c++) sum[r][c] = fma(value, weights[c], sum[r][c]);
      }
    }
  }
  UNROLLED for (int r = 0; r < rows; r++) {
    UNROLLED for (int c = 0; c < columns; c++) store(y + place(c, yStride) + r * panelWidth, sum[r][c]);
  }
}

/** All rows by some panels, a multiple of `width`. */
template <int width>
void denseColumns(
    const float* x, size_t xStride, const float* w, const float* bias, float* y, size_t yStride, int rows,
    int depth, int panels) {
  for (int r = 0; r < rows;) {
    const int height = nextHeight(rows - r, denseRows[width]);
    withConstant<denseRows[width]>(height, [&](auto n) {
      for (int p = 0; p < panels; p += width) {
        denseTile<n.value, width>(
            x + r * panelWidth, xStride, w + static_cast<size_t>(p) * depth * panelWidth,
            bias == nullptr ? bias : bias + p * panelWidth, y + p * yStride + r * panelWidth, yStride, depth);
      }
    });
    r += height;
  }
}

/** Floats of the weights that should stay in the second-level cache while rows pass by. */
constexpr int cachedWeights = 1 << 18;

void dense(
    const float* x, Bytes xStride, const float* w, Optional<const float> bias, float* y, Bytes yStride,
    int rows, int depth, int width) {
  const int panels = (width + panelWidth - 1) / panelWidth;
  const int fitting = cachedWeights / panelWidth / (depth > 0 ? depth : 1) / tilePanels * tilePanels;
  const int most = fitting > tilePanels ? fitting : tilePanels;
  for (int p = 0; p < panels;) {
    const int left = panels - p;
    const int block = left < tilePanels ? left : smaller(left / tilePanels * tilePanels, most);
    withConstant<tilePanels>(smaller(block, tilePanels), [&](auto count) {
      denseColumns<count.value>(
          x, floats(xStride), w + static_cast<size_t>(p) * depth * panelWidth,
          bias.pointer == nullptr ? nullptr : bias.pointer + p * panelWidth, y + p * floats(yStride),
          floats(yStride), rows, depth, block);
    });
    p += block;
  }
}

/** Rows to columns, by as many perfect shuffles as a row's number has digits (Stone, 1971). */
INLINE void transposeBlock(Vector (&block)[lanes]) {
  UNROLLED for (int round = 1; round < lanes; round *= 2) {
    Vector shuffled[lanes];
    UNROLLED for (int i = 0; i < lanes / 2; i++) {
      shuffled[2 * i] = zipLow(block[i], block[i + lanes / 2]);
      shuffled[2 * i + 1] = zipHigh(block[i], block[i + lanes / 2]);
    }
    UNROLLED for (int i = 0; i < lanes; i++) block[i] = shuffled[i];
  }
}

/** w (depth, width) → wᵀ (width, depth), in square blocks of one vector's width. */
void transpose(const float* w, int depth, int width, float* out) {
  for (int k = 0; k < (depth + panelWidth - 1) / panelWidth * panelWidth; k += lanes) {
    float* to = out + static_cast<size_t>(k / panelWidth) * width * panelWidth + k % panelWidth;
    for (int o = 0; o < width; o += lanes) {
      const float* from = w + (static_cast<size_t>(o / panelWidth) * depth + k) * panelWidth + o % panelWidth;
      Vector block[lanes];
      UNROLLED for (int i = 0; i < lanes; i++) {
        block[i] = k + i < depth ? load(from + i * panelWidth) : splat(0);
      }
      transposeBlock(block);
      UNROLLED for (int i = 0; i < lanes; i++) {
        if (o + i < width) store(to + (o + i) * panelWidth, block[i]);
      }
    }
  }
}

}  // namespace
}  // namespace lockstep
