// The gradient of a layer's weights and bias: dW = xᵀ · dY, shard by shard, the shards merged by the tree.
#pragma once

#include "merging.h"
#include "update.h"

namespace lockstep {
namespace {

/** The factors of a gradient: x (rows, depth) and dY; shards lo … hi−1 are summed. */
struct Factors {
  const float* x;
  size_t xStride;
  const float* dy;
  size_t dyStride;
  int rows;
  int shardSize;
  int lo;
  int hi;
  int depth;
  float* stack;
};

/** Rows from k on by panels from p on, in registers; each vector is given to `finish` with its place. */
template <int height, int width, class Finish>
NOINLINE void gradientTile(const Factors& f, int k, int p, Finish& finish) {
  constexpr int columns = width * across;
  constexpr int count = height * columns;
  const float* x = f.x + static_cast<size_t>(k / panelWidth) * f.xStride + k % panelWidth;
  const float* dy = f.dy + p * f.dyStride;
  const size_t stride = static_cast<size_t>(f.depth) * panelWidth;
  const size_t start = p * stride + static_cast<size_t>(k) * panelWidth;
  Tree<count> tree(f.stack);
  Vector sum[count];
  for (int shard = f.lo;; shard++) {
    UNROLLED for (int i = 0; i < count; i++) sum[i] = splat(0);
    const size_t end = static_cast<size_t>(smaller((shard + 1) * f.shardSize, f.rows)) * panelWidth;
    for (size_t n = static_cast<size_t>(shard) * f.shardSize * panelWidth; n < end; n += panelWidth) {
      Vector slopes[columns];
      UNROLLED for (int c = 0; c < columns; c++) slopes[c] = load(dy + n + place(c, f.dyStride));
      UNROLLED for (int i = 0; i < height; i++) {
        const Vector value = splat(x[n + i]);
        UNROLLED for (int c = 0; c < columns; c++) {
          sum[i * columns + c] = fma(value, slopes[c], sum[i * columns + c]);
        }
      }
    }
    if (shard + 1 >= f.hi) break;
    tree.push(sum);
  }
  tree.finish(sum);
  Finish local = finish;
  UNROLLED for (int c = 0; c < columns; c++) {
    UNROLLED for (int i = 0; i < height; i++) {
      local.take(start + place(c, stride) + i * panelWidth, sum[i * columns + c]);
    }
  }
  finish = local;
}

/** Rows k … endK by panels p … endP: all panels pass by a strip of x no wider than a panel. */
template <class Finish>
void gradientBlock(const Factors& f, int k, int endK, int p, int endP, Finish& finish) {
  while (k < endK) {
    const int end = smaller(endK, (k / panelWidth + 1) * panelWidth);
    for (int panel = p; panel < endP; panel += tilePanels) {
      withConstant<tilePanels>(smaller(endP - panel, tilePanels), [&](auto width) {
        constexpr int most = gradientRows[width.value];
        for (int row = k; row < end;) {
          const int height = nextHeight(end - row, most);
          withConstant<most>(height, [&](auto n) { gradientTile<n.value, width.value>(f, row, panel, finish); });
          row += height;
        }
      });
    }
    k = end;
  }
}

/** Floats `from … to` of the panelled gradient: the end of a panel, whole panels, the beginning of one. */
template <class Finish>
void gradientRun(const Factors& f, int from, int to, Finish& finish) {
  int row = from / panelWidth;
  const int end = to / panelWidth;
  if (row % f.depth != 0) {
    const int p = row / f.depth;
    const int endOfPanel = smaller(end, (p + 1) * f.depth);
    gradientBlock(f, row % f.depth, endOfPanel - p * f.depth, p, p + 1, finish);
    row = endOfPanel;
  }
  const int p = row / f.depth;
  const int endP = end / f.depth;
  if (p < endP) {
    gradientBlock(f, 0, f.depth, p, endP, finish);
    row = endP * f.depth;
  }
  if (row < end) gradientBlock(f, 0, end - row, endP, endP + 1, finish);
}

/** Where a gradient goes: to memory. */
struct Stored {
  float* out;

  INLINE void take(size_t i, Vector gradient) const { store(out + i, gradient); }
};

/** Where a gradient goes: into the update of the weights. */
struct Applied {
  Descent descent;
  const float* w;
  const float* v;
  float* newW;
  float* newV;
  FiniteCheck check;

  INLINE void take(size_t i, Vector gradient) {
    descent.step(gradient, w + i, v + i, newW + i, newV + i, check);
  }
};

void denseWeightGradient(
    const float* x, Bytes xStride, const float* dy, Bytes dyStride, int rows, int shardSize, int lo, int hi, int depth,
    int from, int to, float* out, float* stack) {
  const Factors factors = {x, floats(xStride), dy, floats(dyStride), rows, shardSize, lo, hi, depth, stack};
  Stored stored = {out - from};
  gradientRun(factors, from, to, stored);
}

int denseWeightUpdate(
    const float* x, Bytes xStride, const float* dy, Bytes dyStride, int rows, int shardSize, int depth, int from,
    int to, const float* w, const float* v, float* newW, float* newV, const float* rule, float* stack) {
  const int shards = (rows + shardSize - 1) / shardSize;
  const Factors factors = {x, floats(xStride), dy, floats(dyStride), rows, shardSize, 0, shards, depth, stack};
  Applied applied = {Descent(rule), w - from, v - from, newW - from, newV - from, FiniteCheck()};
  gradientRun(factors, from, to, applied);
  return applied.check.isNonFinite();
}

void columnSums(
    const float* dy, Bytes dyStride, int rows, int shardSize, int lo, int hi, int from, int to, float* out,
    float* stack) {
  constexpr int most = 4;
  const float* first = dy + from / panelWidth * floats(dyStride);
  eachRun<most>((to - from) / panelWidth, [&](auto count, int c) {
    constexpr int columns = count.value;
    Tree<columns> tree(stack);
    Vector sum[columns];
    for (int shard = lo;; shard++) {
      UNROLLED for (int i = 0; i < columns; i++) sum[i] = splat(0);
      for (int n = shard * shardSize; n < smaller((shard + 1) * shardSize, rows); n++) {
        const float* row = first + static_cast<size_t>(n) * panelWidth;
        UNROLLED for (int i = 0; i < columns; i++) sum[i] = sum[i] + load(row + place(c + i, floats(dyStride)));
      }
      if (shard + 1 >= hi) break;
      tree.push(sum);
    }
    tree.finish(sum);
    UNROLLED for (int i = 0; i < columns; i++) store(out + (c + i) * lanes, sum[i]);
  });
}

}  // namespace
}  // namespace lockstep
