// Softmax, cross-entropy and what is predicted, row by row.
import { exp4, log4 } from './mathematics';

// @ts-ignore: decorator
@inline
function largest(row: usize, classes: i32): i32 {
  let best = 0;
  for (let j = 1; j < classes; j++) {
    if (load<f32>(row + ((<usize>j) << 2)) > load<f32>(row + ((<usize>best) << 2))) best = j;
  }
  return best;
}

// Writes exp(logit − peak) and returns the sum in class order. The padding is written too: callers overwrite it.
// @ts-ignore: decorator
@inline
function exponentials(row: usize, classes: i32, peak: f32, out: usize): f32 {
  for (let i: usize = 0; i < ((<usize>classes) << 2); i += 16) {
    v128.store(out + i, exp4(f32x4.sub(v128.load(row + i), f32x4.splat(peak))));
  }
  let sum: f32 = 0;
  for (let j = 0; j < classes; j++) sum += load<f32>(out + ((<usize>j) << 2));
  return sum;
}

export function softmaxCrossEntropy(
  logits: usize, stride: usize, classes: i32, rows: i32, labels: usize, order: usize, first: i32,
  divisor: f32, gradient: usize,
): f32 {
  let total: f32 = 0;
  for (let r = 0; r < rows; r++) {
    const sample = order != 0 ? load<u32>(order + ((<usize>(first + r)) << 2)) : <u32>(first + r);
    const label = <i32>load<u8>(labels + <usize>sample);
    const peak = load<f32>(logits + ((<usize>largest(logits, classes)) << 2));
    const sum = exponentials(logits, classes, peak, gradient);
    const target = load<f32>(logits + ((<usize>label) << 2)) - peak;
    total += f32x4.extract_lane(log4(f32x4.splat(sum)), 0) - target;
    for (let j = 0; j < classes; j++) {
      const at = gradient + ((<usize>j) << 2);
      const probability = load<f32>(at) / sum;
      store<f32>(at, (j == label ? probability - 1 : probability) / divisor);
    }
    clearPadding(gradient, classes, stride);
    logits += stride;
    gradient += stride;
  }
  return total;
}

export function softmax(logits: usize, stride: usize, classes: i32, rows: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const peak = load<f32>(logits + ((<usize>largest(logits, classes)) << 2));
    const sum = exponentials(logits, classes, peak, out);
    for (let j = 0; j < classes; j++) {
      const at = out + ((<usize>j) << 2);
      store<f32>(at, load<f32>(at) / sum);
    }
    clearPadding(out, classes, stride);
    logits += stride;
    out += stride;
  }
}

// @ts-ignore: decorator
@inline
function clearPadding(row: usize, classes: i32, stride: usize): void {
  const used = (<usize>classes) << 2;
  memory.fill(row + used, 0, stride - used);
}

export function argmax(logits: usize, stride: usize, classes: i32, rows: i32, out: usize): void {
  for (let r = 0; r < rows; r++, logits += stride) store<u8>(out + <usize>r, <u8>largest(logits, classes));
}
