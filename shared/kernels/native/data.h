// Images are kept as bytes and scaled when a batch is gathered, through a table of 256 values.
#pragma once

#include <string.h>

#include "loss.h"

namespace lockstep {
namespace {

constexpr int cacheLine = 64;

/** Most images are mostly background: sixteen zero bytes are not looked up one by one. */
INLINE bool isZero(const uint8_t* block) {
  uint64_t halves[2];
  memcpy(halves, block, sizeof(halves));
  return (halves[0] | halves[1]) == 0;
}

void gather(
    const uint8_t* images, int pixels, Optional<const uint32_t> order, int first, int rows,
    const float* table, float* x, Bytes stride) {
  const Vector background = splat(table[0]);
  const auto imageOf = [&](int row) {
    return images + sampleAt(order, first + row) * static_cast<size_t>(pixels);
  };
  for (int r = 0; r < rows; r++) {
    const uint8_t* image = imageOf(r);
    // Samples come in any order, so no processor foresees which is next.
    const uint8_t* next = imageOf(r + 1 < rows ? r + 1 : r);
    for (int i = 0; i < pixels; i += cacheLine) __builtin_prefetch(next + i);
    float* to = x + static_cast<size_t>(r) * panelWidth;
    for (int i = 0; i < pixels; i += panelWidth, to += floats(stride)) {
      if (isZero(image + i)) {
        for (int j = 0; j < panelWidth; j += lanes) store(to + j, background);
      } else {
        for (int j = 0; j < panelWidth; j += lanes) store(to + j, lookUp(table, image + i + j));
      }
      for (int j = pixels - i; j < panelWidth; j++) to[j] = 0;
    }
  }
}

}  // namespace
}  // namespace lockstep
