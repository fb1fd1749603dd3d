// All kernels, over the Vector of the file that includes this.
#pragma once

#include "activations.h"
#include "data.h"
#include "gradient.h"
#include "loss.h"
#include "merging.h"
#include "normalisation.h"
#include "probe.h"
#include "products.h"
#include "update.h"

#define KERNEL(name) lockstep::Call<lockstep::name>::named(#name)
#define KERNELS                                                                                              \
  KERNEL(dense), KERNEL(denseWeightGradient), KERNEL(denseWeightUpdate), KERNEL(columnSums),                 \
      KERNEL(transpose), KERNEL(mergeSums), KERNEL(mergeMoments), KERNEL(moments), KERNEL(inverseDeviation), \
      KERNEL(normalise), KERNEL(normaliseSums), KERNEL(normaliseBackward), KERNEL(relu),                     \
      KERNEL(reluBackward), KERNEL(sigmoid), KERNEL(sigmoidBackward), KERNEL(tanh), KERNEL(tanhBackward),    \
      KERNEL(affine), KERNEL(affineBackward), KERNEL(softmaxCrossEntropy), KERNEL(softmax), KERNEL(argmax),  \
      KERNEL(sgd), KERNEL(movingAverage), KERNEL(checksum), KERNEL(nonFinite), KERNEL(gather), KERNEL(exp),   \
      KERNEL(log), KERNEL(multiplyAdd), KERNEL(peak), {}
