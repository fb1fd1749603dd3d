// Softmax, cross-entropy and what is predicted, row by row.
import { exp4, log4 } from './mathematics';
import { PANEL_BYTES } from './layout';

// Where class `j` of a row stands.
// @ts-ignore: decorator
@inline
function classAt(row: usize, stride: usize, j: i32): usize {
  return row + <usize>(j >> 4) * stride + ((<usize>(j & 15)) << 2);
}

// @ts-ignore: decorator
@inline
function largest(row: usize, stride: usize, classes: i32): i32 {
  let best = 0;
  let peak = load<f32>(row);
  for (let j = 1; j < classes; j++) {
    const value = load<f32>(classAt(row, stride, j));
    if (value > peak) {
      best = j;
      peak = value;
    }
  }
  return best;
}

// Writes exp(logit − peak) and returns the sum in class order. The padding is written too: callers overwrite it.
// @ts-ignore: decorator
@inline
function exponentials(row: usize, stride: usize, classes: i32, peak: f32, out: usize): f32 {
  for (let j = 0; j < classes; j += 4) {
    v128.store(classAt(out, stride, j), exp4(f32x4.sub(v128.load(classAt(row, stride, j)), f32x4.splat(peak))));
  }
  let sum: f32 = 0;
  for (let j = 0; j < classes; j++) sum += load<f32>(classAt(out, stride, j));
  return sum;
}

export function softmaxCrossEntropy(
  logits: usize, stride: usize, classes: i32, rows: i32, labels: usize, order: usize, first: i32,
  divisor: f32, gradient: usize, correct: usize,
): f32 {
  let total: f32 = 0;
  let right = 0;
  for (let r = 0; r < rows; r++) {
    const sample = order != 0 ? load<u32>(order + ((<usize>(first + r)) << 2)) : <u32>(first + r);
    const label = <i32>load<u8>(labels + <usize>sample);
    const guess = largest(logits, stride, classes);
    const peak = load<f32>(classAt(logits, stride, guess));
    const sum = exponentials(logits, stride, classes, peak, gradient);
    const target = load<f32>(classAt(logits, stride, label)) - peak;
    const loss = f32x4.extract_lane(log4(f32x4.splat(sum)), 0) - target;
    total += loss;
    right += i32(guess == label) & i32(loss == loss);
    divideRow(gradient, stride, classes, sum);
    const own = classAt(gradient, stride, label);
    store<f32>(own, load<f32>(own) - 1);
    divideRow(gradient, stride, classes, divisor);
    clearPadding(gradient, stride, classes);
    logits += PANEL_BYTES;
    gradient += PANEL_BYTES;
  }
  store<f32>(correct, <f32>right);
  return total;
}

export function softmax(logits: usize, stride: usize, classes: i32, rows: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const peak = load<f32>(classAt(logits, stride, largest(logits, stride, classes)));
    const sum = exponentials(logits, stride, classes, peak, out);
    divideRow(out, stride, classes, sum);
    clearPadding(out, stride, classes);
    logits += PANEL_BYTES;
    out += PANEL_BYTES;
  }
}

// @ts-ignore: decorator
@inline
function divideRow(row: usize, stride: usize, classes: i32, by: f32): void {
  for (let j = 0; j < classes; j += 4) {
    const at = classAt(row, stride, j);
    v128.store(at, f32x4.div(v128.load(at), f32x4.splat(by)));
  }
}

// @ts-ignore: decorator
@inline
function clearPadding(row: usize, stride: usize, classes: i32): void {
  for (let j = classes; (j & 15) != 0; j++) store<f32>(classAt(row, stride, j), 0);
}

export function argmax(logits: usize, stride: usize, classes: i32, rows: i32, out: usize): void {
  for (let r = 0; r < rows; r++, logits += PANEL_BYTES) {
    store<u8>(out + <usize>r, <u8>largest(logits, stride, classes));
  }
}
