/**
 * What a set of kernels can do. Every implementation (relaxed and exact WebAssembly, the slow twin) works on
 * one shared memory, takes byte offsets into it, and gives the same bits.
 *
 * Layouts, used by all of them:
 * - A *row-major* matrix has `stride` bytes from row to row, its columns padded to whole panels of 8.
 * - A *panelled* matrix (depth, width) is cut into panels of 8 columns: element (k, 8p + j) is float
 *   `(p · depth + k) · 8 + j`. Padding columns hold zero and stay zero.
 * - `order` is a list of u32 sample numbers, or 0 for the samples as they lie.
 * - Offsets of vectors are multiples of 32 bytes, so a kernel may touch a vector's padding.
 */
export interface Kernels {
  // products (shared/kernels/assembly/products.ts)

  /**
   * y (rows, 8·panels) = bias + x (rows, depth) · w, panelled (depth, 8·panels). Each sum starts from the bias
   * (from +0 where `bias` is 0) and runs over k in order, one fused multiply-add a term.
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
    panels: number,
  ): void;

  /**
   * dW = xᵀ · dY for floats `from … to` of the panelled gradient (multiples of 8): each shard's sum runs over
   * its samples in order, the shards `lo … hi−1` merge by the tree. Writes at `out` (the place of float `from`);
   * `stack` is scratch of `stackBytes`.
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
    from: number,
    to: number,
    out: number,
    stack: number,
  ): void;

  /** The column sums of dY, columns `from … to`, in the same order as {@link denseWeightGradient}. */
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

  /** Panelled w (depth, width) → panelled wᵀ (width, depth), its padding columns zero. */
  transpose(w: number, depth: number, width: number, out: number): void;

  // merging partials (merging.ts)

  /** Columns `from … to` of the tree's sum over slots `lo … hi−1`, which lie `slotStride` bytes apart. */
  mergeSums(
    slots: number,
    slotStride: number,
    lo: number,
    hi: number,
    from: number,
    to: number,
    out: number,
    stack: number,
  ): void;

  /**
   * Merges the moments of shards `lo … hi−1` by Chan, Golub and LeVeque (1979), columns `from … to`. A slot
   * holds `width` means and then `width` M2s; a shard's count follows from `rows` and `shardSize`. Where
   * `outMean` or `outM2` is 0 that half is not written.
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
  ): void;

  // batch normalisation (normalisation.ts); width is a multiple of 8

  /** Mean and M2 (the sum of squared distances from it) of each column of x (rows, width), in two passes. */
  moments(x: number, stride: number, rows: number, width: number, mean: number, m2: number): void;

  /** out = 1 ÷ √(m2 ÷ count + ε), count as binary32. */
  inverseDeviation(m2: number, count: number, epsilon: number, width: number, out: number): void;

  /** y = x̂ · scale + shift with x̂ = (x − mean) · inverseDeviation. */
  normalise(
    x: number,
    y: number,
    stride: number,
    rows: number,
    width: number,
    mean: number,
    inverseDeviation: number,
    scale: number,
    shift: number,
  ): void;

  /** Σ dy and Σ dy · x̂ of each column, in sample order. */
  normaliseSums(
    x: number,
    dy: number,
    stride: number,
    rows: number,
    width: number,
    mean: number,
    inverseDeviation: number,
    sumDy: number,
    sumDyXhat: number,
  ): void;

  /** dx = scale · inverseDeviation · (dy − Σdy ÷ count − x̂ · Σdy·x̂ ÷ count); dx may be dy. */
  normaliseBackward(
    x: number,
    dy: number,
    dx: number,
    stride: number,
    rows: number,
    width: number,
    mean: number,
    inverseDeviation: number,
    scale: number,
    sumDy: number,
    sumDyXhat: number,
    count: number,
  ): void;

  // activations (activations.ts); count is a multiple of 4, outputs may overwrite inputs

  /** y = x > 0 ? x : +0. */
  relu(x: number, y: number, count: number): void;
  /** dx = y > 0 ? dy : +0. */
  reluBackward(y: number, dy: number, dx: number, count: number): void;
  /** y = 1 ÷ (1 + exp(−x)). */
  sigmoid(x: number, y: number, count: number): void;
  /** dx = dy · (y · (1 − y)). */
  sigmoidBackward(y: number, dy: number, dx: number, count: number): void;
  tanh(x: number, y: number, count: number): void;
  /** dx = dy · (1 − y · y). */
  tanhBackward(y: number, dy: number, dx: number, count: number): void;
  /** y = slope · x + intercept, fused. */
  affine(x: number, y: number, count: number, slope: number, intercept: number): void;
  /** dx = slope · dy. */
  affineBackward(dy: number, dx: number, count: number, slope: number): void;
  exp(x: number, y: number, count: number): void;
  log(x: number, y: number, count: number): void;

  // loss (loss.ts)

  /**
   * Softmax cross-entropy of logits (rows, classes) against `labels` (bytes, through `order` from `first` on):
   * writes (P − Y) ÷ divisor to `gradient`, padding columns +0, and returns the sum of the losses in sample order.
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
  ): number;

  /** Probabilities of logits (rows, classes); padding columns +0. */
  softmax(logits: number, stride: number, classes: number, rows: number, out: number): void;

  /** The first largest of each row of logits (rows, classes) as a byte. */
  argmax(logits: number, stride: number, classes: number, rows: number, out: number): void;

  // update (update.ts); count is a multiple of 8; each returns 1 if it wrote a value that is not finite

  /**
   * One step of stochastic gradient descent, the new values beside the old, in PyTorch's order:
   * g += decay · w; v' = momentum · v + g; d = nesterov ? g + momentum · v' : v'; w' = w − rate · d.
   * Where decay is 0 its term is left out; where momentum is 0, d = g and no velocity is read or written.
   */
  sgd(
    w: number,
    g: number,
    v: number,
    newW: number,
    newV: number,
    count: number,
    rate: number,
    momentum: number,
    decay: number,
    nesterov: number,
  ): number;

  /** out = momentum · old + (1 − momentum) · (value ÷ divisor). */
  movingAverage(
    old: number,
    value: number,
    out: number,
    count: number,
    momentum: number,
    divisor: number,
  ): number;

  /** 1 if any of `count` floats is NaN or infinite, else 0. */
  nonFinite(x: number, count: number): number;

  // data (data.ts)

  /** x (rows, pixels) = table[image byte] for samples `first … first+rows−1` of the order. */
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

  /** out = a · b + c, fused. */
  multiplyAdd(a: number, b: number, c: number, out: number, count: number): void;
}

/** Columns of a panel; widths are padded to whole panels. */
export const panelWidth = 8;

/** Scratch that the merging kernels need: a tile of four panel rows for each level of a tree of 2³² shards. */
export const stackBytes = 33 * 128;

/** The padded number of columns. */
export function padded(width: number): number {
  return Math.ceil(width / panelWidth) * panelWidth;
}
