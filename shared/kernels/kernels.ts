/**
 * What a set of kernels can do. Every implementation (relaxed and exact WebAssembly, native code, the slow twin)
 * works on one shared memory, takes byte offsets into it, and gives the same bits.
 *
 * Layouts, used by all of them:
 * - A matrix (rows, width) is *panelled*: cut into panels of 16 columns. Element (n, 16p + j) stands at byte
 *   `offset + p · stride + 4 · (16n + j)`. So every kernel streams memory in order, along rows and along columns.
 *   Weights (depth, width) lie panel behind panel, `stride` = 64 · depth; for activations it is given.
 * - The last panel is filled up with padding columns. Those of weights, vectors and all gradients (dY and dX, too)
 *   hold zero and stay zero; those of activations hold anything finite. Where a kernel takes a `width`, it may write
 *   them or leave them alone.
 * - `order` is a list of u32 sample numbers, or 0 for the samples as they lie.
 * - Offsets of matrices and vectors and strides are multiples of 64 bytes, so a kernel may touch the padding.
 * - Offsets of a run of rows of a matrix are those of its first row; other rows and panels are not touched.
 */
export interface Kernels {
  // products (shared/kernels/assembly/products.ts, gradient.ts)

  /**
   * y (rows, width) = bias + x (rows, depth) · w (depth, width). Each sum starts from the bias (from +0
   * where `bias` is 0) and runs over k in order, one fused multiply-add a term.
   */
  dense(
    x: number,
    xStride: number,
    w: number,
    bias: number,
    y: number,
    yStride: number,
    rows: number,
    depth: number,
    width: number,
  ): void;

  /**
   * dW (depth, width) = xᵀ · dY, floats `from … to` of it as it is panelled (multiples of 16): each shard's sum
   * starts from +0 and runs over its samples in order, the shards `lo … hi−1` merge by the tree. Writes at `out` (the
   * place of float `from`); `stack` is scratch of `stackBytes`.
   */
  denseWeightGradient(
    x: number,
    xStride: number,
    dy: number,
    dyStride: number,
    rows: number,
    shardSize: number,
    lo: number,
    hi: number,
    depth: number,
    width: number,
    from: number,
    to: number,
    out: number,
    stack: number,
  ): void;

  /**
   * What {@link denseWeightGradient} over all shards and then {@link sgd} give, tile by tile, so that no gradient is
   * stored. `w`, `v`, `newW`, `newV` and `position` are those of float `from`. Returns 1 if a new value is not finite.
   */
  denseWeightUpdate(
    x: number,
    xStride: number,
    dy: number,
    dyStride: number,
    rows: number,
    shardSize: number,
    depth: number,
    width: number,
    from: number,
    to: number,
    w: number,
    v: number,
    newW: number,
    newV: number,
    rule: number,
    stack: number,
    position: number,
    checksum: number,
  ): number;

  /** The column sums of dY, columns `from … to` (multiples of 16), in the order of {@link denseWeightGradient}. */
  columnSums(
    dy: number,
    dyStride: number,
    rows: number,
    shardSize: number,
    lo: number,
    hi: number,
    from: number,
    to: number,
    out: number,
    stack: number,
  ): void;

  /** w (depth, width) → wᵀ (width, depth), its padding columns zero. */
  transpose(w: number, depth: number, width: number, out: number): void;

  // merging partials (merging.ts); both return 1 if a merged value is not finite, else 0

  /** Columns `from … to` (multiples of 16) of the tree's sum over slots `lo … hi−1`, `slotStride` bytes apart. */
  mergeSums(
    slots: number,
    slotStride: number,
    lo: number,
    hi: number,
    from: number,
    to: number,
    out: number,
    stack: number,
  ): number;

  /**
   * Merges the moments of shards `lo … hi−1` by Chan, Golub and LeVeque (1979), columns `from … to` (multiples of
   * 16). A slot holds `width` (padded) means and then `width` M2s; a shard's count follows from `rows` and
   * `shardSize`. Where `outMean` or `outM2` is 0 that half is not written.
   */
  mergeMoments(
    slots: number,
    slotStride: number,
    width: number,
    rows: number,
    shardSize: number,
    lo: number,
    hi: number,
    from: number,
    to: number,
    outMean: number,
    outM2: number,
    stack: number,
  ): number;

  // batch normalisation (normalisation.ts) over `panels` panels; x, y, dy and dx have the same stride

  /**
   * Mean and M2 (the sum of squared distances from it) of each column of x, in two passes. Returns 1 if one of
   * them is not finite, else 0.
   */
  moments(x: number, stride: number, rows: number, panels: number, mean: number, m2: number): number;

  /** out = 1 ÷ √(m2 ÷ count + ε), count as binary32. */
  inverseDeviation(m2: number, count: number, epsilon: number, panels: number, out: number): void;

  /** y = x̂ · scale + shift with x̂ = (x − mean) · inverseDeviation. */
  normalise(
    x: number,
    y: number,
    stride: number,
    rows: number,
    panels: number,
    mean: number,
    inverseDeviation: number,
    scale: number,
    shift: number,
  ): void;

  /** Σ dy and Σ dy · x̂ of each column, in sample order. Returns 1 if one of them is not finite, else 0. */
  normaliseSums(
    x: number,
    dy: number,
    stride: number,
    rows: number,
    panels: number,
    mean: number,
    inverseDeviation: number,
    sumDy: number,
    sumDyXhat: number,
  ): number;

  /** dx = scale · inverseDeviation · (dy − Σdy ÷ count − x̂ · Σdy·x̂ ÷ count); dx may be dy. */
  normaliseBackward(
    x: number,
    dy: number,
    dx: number,
    stride: number,
    rows: number,
    panels: number,
    mean: number,
    inverseDeviation: number,
    scale: number,
    sumDy: number,
    sumDyXhat: number,
    count: number,
  ): void;

  // activations (activations.ts) of matrices with the same stride; outputs may overwrite inputs

  /** y = x > 0 ? x : +0. */
  relu(x: number, y: number, stride: number, rows: number, panels: number): void;
  /** dx = y > 0 ? dy : +0. */
  reluBackward(y: number, dy: number, dx: number, stride: number, rows: number, panels: number): void;
  /** y = 1 ÷ (1 + exp(−x)). */
  sigmoid(x: number, y: number, stride: number, rows: number, panels: number): void;
  /** dx = dy · (y · (1 − y)). */
  sigmoidBackward(y: number, dy: number, dx: number, stride: number, rows: number, panels: number): void;
  tanh(x: number, y: number, stride: number, rows: number, panels: number): void;
  /** dx = dy · (1 − y · y). */
  tanhBackward(y: number, dy: number, dx: number, stride: number, rows: number, panels: number): void;
  /** y = slope · x + intercept, fused. */
  affine(
    x: number,
    y: number,
    stride: number,
    rows: number,
    panels: number,
    slope: number,
    intercept: number,
  ): void;
  /** dx = slope · dy. */
  affineBackward(dy: number, dx: number, stride: number, rows: number, panels: number, slope: number): void;
  /** Elementwise over `count` floats, a multiple of 4. */
  exp(x: number, y: number, count: number): void;
  log(x: number, y: number, count: number): void;

  // loss (loss.ts); logits and what is written beside them, never over them, have the same stride

  /**
   * Softmax cross-entropy of logits (rows, classes) against `labels` (bytes, through `order` from `first` on):
   * writes (P − Y) ÷ divisor to `gradient`, padding columns +0, and to `correct` how many rows have their label's logit
   * as the first largest, one float (a row whose loss is NaN has not); returns the sum of the losses in sample order.
   */
  softmaxCrossEntropy(
    logits: number,
    stride: number,
    classes: number,
    rows: number,
    labels: number,
    order: number,
    first: number,
    divisor: number,
    gradient: number,
    correct: number,
  ): number;

  /** Probabilities of logits (rows, classes); padding columns +0. */
  softmax(logits: number, stride: number, classes: number, rows: number, out: number): void;

  /** The first largest of each row of logits (rows, classes) as a byte. */
  argmax(logits: number, stride: number, classes: number, rows: number, out: number): void;

  // update (update.ts); count is a multiple of 16; each returns 1 if it wrote a value that is not finite, else 0.
  // What they write is added to the 64-bit sum at byte offset `checksum` (see twin/checksum.ts); `position` is where the
  // first value stands in the flat vector. Where a value is not finite the sum is good for nothing.

  /**
   * One step of stochastic gradient descent, the new values beside the old, in PyTorch's order:
   * g += decay · w; v' = momentum · v + g; d = nesterov ? g + momentum · v' : v'; w' = w − rate · d.
   * `rule` holds four floats: rate, momentum, decay, and 1 for nesterov or 0. Where decay is 0 its term is left out;
   * where momentum is 0, d = g and no velocity is read or written.
   */
  sgd(
    w: number,
    g: number,
    v: number,
    newW: number,
    newV: number,
    count: number,
    rule: number,
    position: number,
    checksum: number,
  ): number;

  /** out = momentum · old + (1 − momentum) · (value ÷ divisor). */
  movingAverage(
    old: number,
    value: number,
    out: number,
    count: number,
    momentum: number,
    divisor: number,
    position: number,
    checksum: number,
  ): number;

  /** Adds what an update that wrote these `count` floats would add to a checksum, the first of them at `position`. */
  checksum(x: number, count: number, position: number, checksum: number): void;

  /** 1 if any of `count` floats (any number) is NaN or infinite, else 0. */
  nonFinite(x: number, count: number): number;

  // data (data.ts)

  /**
   * x (rows, pixels) = table[image byte] for samples `first … first+rows−1` of the order; padding columns +0.
   * 16 bytes beyond the last image may be read.
   */
  gather(
    images: number,
    pixels: number,
    order: number,
    first: number,
    rows: number,
    table: number,
    x: number,
    stride: number,
  ): void;

  // random numbers (random.ts): element i from the first word of Threefry-2x32-20(key, (i, 0))

  /** low + (high − low) · u, u uniform in [0, 1) in steps of 2⁻²⁴. */
  uniform(out: number, count: number, key0: number, key1: number, low: number, high: number): void;

  /** deviation · z, z normal: the inverse distribution function (Wichura, AS 241, PPND7) of a uniform number. */
  normal(out: number, count: number, key0: number, key1: number, deviation: number): void;

  // the probe (probe.ts)

  /** out = a · b + c, fused, over `count` floats, a multiple of 4. */
  multiplyAdd(a: number, b: number, c: number, out: number, count: number): void;

  /**
   * The most fused multiply-adds that this set can do: `rounds` rounds of independent ones in registers, whose
   * result is written to 64 bytes at `out`. Returns the floating-point operations done.
   */
  peak(rounds: number, out: number): number;
}

/** Columns of a panel; widths are padded to whole panels. */
export const panelWidth = 16;

/** Bytes of a row of a panel, and of a vector of 16 floats. */
export const panelBytes = 4 * panelWidth;

/** Rows of a panel of a gradient that a set of kernels sums at once, at most. */
const largestBlock = 48;

/** Scratch that the merging kernels need: a block for each level of a tree of 2³² shards, and some beside. */
export const stackBytes = 36 * largestBlock * panelBytes;

/** The number of panels that hold so many columns. */
export function panelCount(width: number): number {
  return Math.ceil(width / panelWidth);
}

/** The padded number of columns. */
export function padded(width: number): number {
  return panelCount(width) * panelWidth;
}
