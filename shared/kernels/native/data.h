// Images are kept as bytes and scaled when a batch is gathered, through a table of 256 values.
#pragma once

#include <string.h>

#include "loss.h"

namespace lockstep {
namespace {

/** Most images are mostly background: sixteen zero bytes are not looked up one by one. */
INLINE bool isZero(const uint8_t* block) {
  uint64_t halves[2];
  memcpy(halves, block, sizeof(halves));
  return (halves[0] | halves[1]) == 0;
}

void gather(
    const uint8_t* images, int pixels, Optional<const uint32_t> order, int first, int rows, const float* table, float* x,
    Bytes stride) {
  const Vector background = splat(table[0]);
  for (int r = 0; r < rows; r++) {
    const uint8_t* image = images + sampleAt(order, first + r) * static_cast<size_t>(pixels);
    float* to = x + static_cast<size_t>(r) * panelWidth;
    for (int i = 0; i < pixels; i += panelWidth, to += floats(stride)) {
      const bool isBackground = isZero(image + i);
      for (int j = 0; j < panelWidth; j += lanes) {
        store(to + j, isBackground ? background : lookUp(table, image + i + j));
      }
      for (int j = pixels - i; j < panelWidth; j++) to[j] = 0;
    }
  }
}

}  // namespace
}  // namespace lockstep
