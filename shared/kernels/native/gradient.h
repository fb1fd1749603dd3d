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

/** Rows of a panel in a block of the stack, as stackBytes in kernels.ts counts them: a level's sums, or a tile. */
constexpr int largestBlock = 48;

/** Rows from k on by panels from p on, in registers; panels are written `outStride` floats apart. */
template <int height, int width>
NOINLINE void gradientTile(const Factors& f, int k, int p, float* out, size_t outStride) {
  constexpr int columns = width * across;
  constexpr int count = height * columns;
  static_assert(height * width <= largestBlock, "a tile's sums do not fit into a block of the stack");
  const float* x = f.x + static_cast<size_t>(k / panelWidth) * f.xStride + k % panelWidth;
  const float* dy = f.dy + p * f.dyStride;
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
  UNROLLED for (int i = 0; i < count; i++) {
    store(out + place(i % columns, outStride) + i / columns * panelWidth, sum[i]);
  }
}

/** Where a gradient goes: to memory, `out` being the place of its first float. */
struct Stored {
  float* out;
  size_t stride;

  template <int height, int width>
  INLINE void tile(const Factors& f, int k, int p, size_t at) {
    gradientTile<height, width>(f, k, p, out + at, stride);
  }
};

/** Where a gradient goes: into the update of the weights, from the stack, which is free by then. */
struct Applied {
  Descent descent;
  const float* w;
  const float* v;
  float* newW;
  float* newV;
  size_t stride;
  uint32_t position;
  Notice notice;

  template <int height, int width>
  INLINE void tile(const Factors& f, int k, int p, size_t at) {
    constexpr int count = height * panelWidth;
    gradientTile<height, width>(f, k, p, f.stack, count);
    for (int i = 0; i < width; i++, at += stride) {
      descent.step(
          w + at, f.stack + i * count, v + at, newW + at, newV + at, count, position + at, notice);
    }
  }
};

/** Rows k … endK by panels p … endP: all panels pass by a strip of x no wider than a panel. */
template <class Target>
void gradientBlock(const Factors& f, int k, int endK, int p, int endP, size_t from, Target& target) {
  while (k < endK) {
    const int end = smaller(endK, (k / panelWidth + 1) * panelWidth);
    for (int panel = p; panel < endP; panel += tilePanels) {
      withConstant<tilePanels>(smaller(endP - panel, tilePanels), [&](auto width) {
        constexpr int most = gradientRows[width.value];
        for (int row = k; row < end;) {
          const size_t at = (static_cast<size_t>(panel) * f.depth + row) * panelWidth - from;
          const int height = nextHeight(end - row, most);
          withConstant<most>(
              height, [&](auto n) { target.template tile<n.value, width.value>(f, row, panel, at); });
          row += height;
        }
      });
    }
    k = end;
  }
}

/** Floats `from … to` of the panelled gradient: the end of a panel, whole panels, the beginning of one. */
template <class Target>
void gradientRun(const Factors& f, int from, int to, Target& target) {
  int row = from / panelWidth;
  const int end = to / panelWidth;
  if (row % f.depth != 0) {
    const int p = row / f.depth;
    const int endOfPanel = smaller(end, (p + 1) * f.depth);
    gradientBlock(f, row % f.depth, endOfPanel - p * f.depth, p, p + 1, from, target);
    row = endOfPanel;
  }
  const int p = row / f.depth;
  const int endP = end / f.depth;
  if (p < endP) {
    gradientBlock(f, 0, f.depth, p, endP, from, target);
    row = endP * f.depth;
  }
  if (row < end) gradientBlock(f, 0, end - row, endP, endP + 1, from, target);
}

// The width goes unused: to leave out padding within a panel would save nothing here.
void denseWeightGradient(
    const float* x, Bytes xStride, const float* dy, Bytes dyStride, int rows, int shardSize, int lo, int hi,
    int depth, int, int from, int to, float* out, float* stack) {
  const Factors factors = {x, floats(xStride), dy, floats(dyStride), rows, shardSize, lo, hi, depth, stack};
  Stored stored = {out, static_cast<size_t>(depth) * panelWidth};
  gradientRun(factors, from, to, stored);
}

int denseWeightUpdate(
    const float* x, Bytes xStride, const float* dy, Bytes dyStride, int rows, int shardSize, int depth,
    int, int from, int to, const float* w, const float* v, float* newW, float* newV, const float* rule,
    float* stack, uint32_t position, uint64_t* checksum) {
  const int shards = (rows + shardSize - 1) / shardSize;
  const Factors factors = {
      x, floats(xStride), dy, floats(dyStride), rows, shardSize, 0, shards, depth, stack};
  const size_t stride = static_cast<size_t>(depth) * panelWidth;
  Applied applied = {Descent(rule), w, v, newW, newV, stride, position, Notice()};
  gradientRun(factors, from, to, applied);
  return applied.notice.finish(checksum);
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
        UNROLLED for (int i = 0; i < columns; i++) {
          sum[i] = sum[i] + load(row + place(c + i, floats(dyStride)));
        }
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
