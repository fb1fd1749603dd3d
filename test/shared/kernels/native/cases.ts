/** Random calls of every native kernel over a random memory, and what the slow twin makes of them. */
import { type Kernels, padded, panelBytes, panelCount } from '../../../../shared/kernels/kernels.ts';
import type { NativeSet } from '../../../../shared/kernels/native.ts';
import { at } from '../../../../shared/kernels/twin/memory.ts';
import { twinKernels } from '../../../../shared/kernels/twin/twin.ts';
import { newMemory } from '../../../helpers/kernels.ts';
import { drawBits, isNaNWord, type Kind, randomWords } from '../../../helpers/values.ts';

/** What is compared: everything below the scratch memory, which follows it. */
export const imageBytes = 65_536;
const stack = imageBytes;
export const memoryBytes = 2 * 65_536;

export type KernelName = Exclude<keyof NativeSet, 'peak'>;

export interface Case {
  readonly kernel: KernelName;
  readonly values: readonly number[];
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  readonly result: number | undefined;
  /** Words that a kernel may leave as it likes: padding of what it writes. */
  readonly padding: ReadonlySet<number>;
}

interface Matrix {
  readonly offset: number;
  readonly stride: number;
  readonly rows: number;
  readonly width: number;
}

/** A memory in which a case finds room for what it needs. */
class Plan {
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly bytes: Uint8Array;
  readonly padding = new Set<number>();
  /** Where the kernel adds up its checksum, or 0. */
  checksum = 0;
  readonly #random: () => number;
  #next = panelBytes; // 0 means "none" to the kernels

  constructor(buffer: ArrayBufferLike, random: () => number) {
    this.words = new Uint32Array(buffer, 0, imageBytes / 4);
    this.floats = new Float32Array(buffer, 0, imageBytes / 4);
    this.bytes = new Uint8Array(buffer, 0, imageBytes);
    this.#random = random;
  }

  /** A whole number from `low` to `high`. */
  pick(low: number, high: number): number {
    return low + (this.#random() % (high - low + 1));
  }

  oneOf<T>(...values: readonly T[]): T {
    return values[this.pick(0, values.length - 1)];
  }

  take(floats: number): number {
    const offset = this.#next;
    this.#next = Math.ceil((offset + 4 * floats) / panelBytes) * panelBytes;
    if (this.#next > imageBytes) throw new Error(`the test's memory is too small: ${this.#next}`);
    return offset;
  }

  /** Rows and panels of a matrix: its place and stride, some rows left between panels. */
  matrix(rows: number, panels: number): [offset: number, stride: number] {
    const stride = panelBytes * (rows + this.pick(0, 2));
    return [this.take((stride * panels) / 4), stride];
  }

  /** Leaves the columns beyond a matrix's width out of what is compared. */
  ignorePadding(matrix: Matrix): void {
    for (const word of paddingOf(matrix)) this.padding.add(word);
  }

  /** Makes the columns beyond a matrix's width zero. */
  clearPadding(matrix: Matrix): void {
    for (const word of paddingOf(matrix)) this.words[word] = 0;
  }

  /** The place of a further matrix with that stride, or, sometimes, that of one which may be overwritten. */
  beside(stride: number, panels: number, over?: number): number {
    return over !== undefined && this.pick(0, 1) === 1 ? over : this.take((stride * panels) / 4);
  }

  /** A list of sample numbers, or none. */
  order(length: number, samples: number): number {
    if (this.pick(0, 2) === 0) return 0;
    const offset = this.take(length);
    for (let i = 0; i < length; i++) this.words[offset / 4 + i] = this.pick(0, samples - 1);
    return offset;
  }

  /** The four floats of the update. */
  rule(): number {
    const offset = this.take(4);
    const momentum = this.oneOf(0, 0.9, 1e-45, 0.5);
    this.floats.set(
      [this.oneOf(0.1, 0, 3e38, 1e-45), momentum, this.oneOf(0, 1e-4), this.oneOf(0, 1)],
      offset / 4,
    );
    return offset;
  }

  /** The position of what is written, and room for the checksum of it. */
  position(): [position: number, checksum: number] {
    this.checksum = this.take(2);
    return [16 * this.pick(0, 2 ** 27), this.checksum];
  }

  /** Some of `units` things: from and, above it, to. */
  run(units: number): [from: number, to: number] {
    const [a, b] = [this.pick(0, units - 1), this.pick(0, units - 1)];
    return [Math.min(a, b), Math.max(a, b) + 1];
  }

  /** Shards of some rows, and a node over some of them. */
  shards(rows: number): [shardSize: number, lo: number, hi: number] {
    const shardSize = this.pick(1, rows + 3);
    return [shardSize, ...this.run(Math.max(1, Math.ceil(rows / shardSize)))];
  }
}

/** The words of the columns beyond a matrix's width. */
function* paddingOf({ offset, stride, rows, width }: Matrix): Generator<number> {
  for (let column = width; column < padded(width); column++) {
    for (let row = 0; row < rows; row++) yield at(offset, stride, row, column) / 4;
  }
}

const unary = (plan: Plan): number[] => {
  const [rows, panels] = [plan.pick(0, 20), plan.pick(1, 3)];
  const [x, stride] = plan.matrix(rows, panels);
  return [x, plan.beside(stride, panels, x), stride, rows, panels];
};

const binary = (plan: Plan): number[] => {
  const [rows, panels] = [plan.pick(0, 20), plan.pick(1, 3)];
  const [y, stride] = plan.matrix(rows, panels);
  const dy = plan.beside(stride, panels);
  return [y, dy, plan.beside(stride, panels, dy), stride, rows, panels];
};

const elementwise = (plan: Plan): number[] => {
  const count = 4 * plan.pick(0, 30);
  const x = plan.take(count);
  return [x, plan.take(count), count];
};

const vectors = (plan: Plan, panels: number, count: number): number[] =>
  Array.from({ length: count }, () => plan.take(16 * panels));

const plans: Record<KernelName, (plan: Plan) => number[]> = {
  dense(plan) {
    const [rows, depth, width] = [plan.pick(0, 34), plan.pick(1, 36), plan.pick(1, 80)];
    const panels = panelCount(width);
    const [x, xStride] = plan.matrix(rows, panelCount(depth));
    const w = plan.take(16 * depth * panels);
    const bias = plan.oneOf(0, plan.take(16 * panels));
    const [y, yStride] = plan.matrix(rows, panels);
    plan.ignorePadding({ offset: y, stride: yStride, rows, width });
    return [x, xStride, w, bias, y, yStride, rows, depth, width];
  },
  denseWeightGradient(plan) {
    const [rows, depth, width] = [plan.pick(0, 34), plan.pick(1, 36), plan.pick(1, 80)];
    const panels = panelCount(width);
    const [x, xStride] = plan.matrix(rows, panelCount(depth));
    const [dy, dyStride] = plan.matrix(rows, panels);
    plan.clearPadding({ offset: dy, stride: dyStride, rows, width });
    const [from, to] = plan.oneOf(plan.run(depth * panels), [0, depth * panels]);
    const out = plan.take(16 * (to - from));
    const sizes = [depth, width, 16 * from, 16 * to];
    return [x, xStride, dy, dyStride, rows, ...plan.shards(rows), ...sizes, out, stack];
  },
  denseWeightUpdate(plan) {
    const [rows, depth, width] = [plan.pick(1, 24), plan.pick(1, 36), plan.pick(1, 64)];
    const panels = panelCount(width);
    const [x, xStride] = plan.matrix(rows, panelCount(depth));
    const [dy, dyStride] = plan.matrix(rows, panels);
    plan.clearPadding({ offset: dy, stride: dyStride, rows, width });
    const [from, to] = plan.oneOf(plan.run(depth * panels), [0, depth * panels]);
    const parameters = vectors(plan, to - from, 4);
    const [shardSize] = plan.shards(rows);
    const factors = [x, xStride, dy, dyStride, rows, shardSize, depth, width];
    return [...factors, 16 * from, 16 * to, ...parameters, plan.rule(), stack, ...plan.position()];
  },
  columnSums(plan) {
    const [rows, panels] = [plan.pick(0, 40), plan.pick(1, 6)];
    const [dy, stride] = plan.matrix(rows, panels);
    const [from, to] = plan.run(panels);
    const out = plan.take(16 * (to - from));
    return [dy, stride, rows, ...plan.shards(rows), 16 * from, 16 * to, out, stack];
  },
  transpose(plan) {
    const [depth, width] = [plan.pick(1, 50), plan.pick(1, 50)];
    return [plan.take(depth * padded(width)), depth, width, plan.take(width * padded(depth))];
  },
  mergeSums(plan) {
    const [panels, slots] = [plan.pick(1, 4), plan.pick(1, 37)];
    const stride = panelBytes * (panels + plan.pick(0, 2));
    const [from, to] = plan.run(panels);
    const at = plan.take((slots * stride) / 4);
    return [at, stride, ...plan.run(slots), 16 * from, 16 * to, plan.take(16 * (to - from)), stack];
  },
  mergeMoments(plan) {
    const [panels, slots, shardSize] = [plan.pick(1, 3), plan.pick(1, 37), plan.pick(1, 70)];
    const stride = panelBytes * (2 * panels + plan.pick(0, 2));
    const at = plan.take((slots * stride) / 4);
    const rows = slots * shardSize - plan.pick(0, shardSize - 1);
    const [from, to] = plan.run(panels);
    const [mean, m2] = vectors(plan, to - from, 2);
    const out = plan.oneOf([mean, m2], [0, m2], [mean, 0]);
    return [at, stride, 16 * panels, rows, shardSize, ...plan.run(slots), 16 * from, 16 * to, ...out, stack];
  },
  moments(plan) {
    const [rows, panels] = [plan.pick(1, 40), plan.pick(1, 6)];
    const [x, stride] = plan.matrix(rows, panels);
    return [x, stride, rows, panels, ...vectors(plan, panels, 2)];
  },
  inverseDeviation(plan) {
    const panels = plan.pick(1, 5);
    const [m2, out] = vectors(plan, panels, 2);
    return [m2, plan.pick(1, 1000), plan.oneOf(1e-5, 0.1), panels, out];
  },
  normalise(plan) {
    const [rows, panels] = [plan.pick(0, 30), plan.pick(1, 5)];
    const [x, stride] = plan.matrix(rows, panels);
    const y = plan.beside(stride, panels);
    return [x, y, stride, rows, panels, ...vectors(plan, panels, 4)];
  },
  normaliseSums(plan) {
    const [rows, panels] = [plan.pick(0, 30), plan.pick(1, 6)];
    const [x, stride] = plan.matrix(rows, panels);
    const dy = plan.beside(stride, panels);
    return [x, dy, stride, rows, panels, ...vectors(plan, panels, 4)];
  },
  normaliseBackward(plan) {
    const [rows, panels] = [plan.pick(0, 30), plan.pick(1, 5)];
    const [x, stride] = plan.matrix(rows, panels);
    const dy = plan.beside(stride, panels);
    const dx = plan.beside(stride, panels, dy);
    return [x, dy, dx, stride, rows, panels, ...vectors(plan, panels, 5), plan.pick(1, 70_000)];
  },
  relu: unary,
  reluBackward: binary,
  sigmoid: unary,
  sigmoidBackward: binary,
  tanh: unary,
  tanhBackward: binary,
  affine: (plan) => [...unary(plan), plan.oneOf(0.1, -1.7, 1e-46), plan.oneOf(1 / 3, -0, 2e38)],
  affineBackward: (plan) => [...unary(plan), plan.oneOf(0.1, -1.7, 1e-46, 2e38)],
  exp: elementwise,
  log: elementwise,
  softmaxCrossEntropy(plan) {
    const [rows, classes, first] = [plan.pick(0, 14), plan.pick(1, 40), plan.pick(0, 7)];
    const [logits, stride] = plan.matrix(rows, panelCount(classes));
    const gradient = plan.beside(stride, panelCount(classes));
    const samples = first + rows + 3;
    const labels = plan.take(samples) + 1;
    for (let i = 0; i < samples; i++) plan.bytes[labels + i] = plan.pick(0, classes - 1);
    const order = plan.order(first + rows, samples);
    return [
      logits,
      stride,
      classes,
      rows,
      labels,
      order,
      first,
      plan.pick(1, 70_000),
      gradient,
      plan.take(1),
    ];
  },
  softmax(plan) {
    const [rows, classes] = [plan.pick(0, 14), plan.pick(1, 40)];
    const [logits, stride] = plan.matrix(rows, panelCount(classes));
    return [logits, stride, classes, rows, plan.beside(stride, panelCount(classes))];
  },
  argmax(plan) {
    const [rows, classes] = [plan.pick(0, 14), plan.pick(1, 40)];
    const [logits, stride] = plan.matrix(rows, panelCount(classes));
    const out = plan.take(rows + 1) + plan.pick(0, 3);
    plan.bytes.fill(0x55, out, out + rows); // no part of a NaN, whose bits are not compared
    return [logits, stride, classes, rows, out];
  },
  sgd(plan) {
    const panels = plan.pick(0, 12);
    return [...vectors(plan, panels, 5), 16 * panels, plan.rule(), ...plan.position()];
  },
  movingAverage(plan) {
    const panels = plan.pick(0, 12);
    const numbers = [16 * panels, plan.oneOf(0, 0.9, 1 / 3, 1), plan.pick(1, 70_000)];
    return [...vectors(plan, panels, 3), ...numbers, ...plan.position()];
  },
  checksum(plan) {
    const panels = plan.pick(0, 12);
    return [...vectors(plan, panels, 1), 16 * panels, ...plan.position()];
  },
  nonFinite: (plan) => [plan.take(100), plan.pick(0, 100)],
  gather(plan) {
    const [pixels, rows, first] = [plan.pick(1, 70), plan.pick(0, 14), plan.pick(0, 7)];
    const samples = first + rows + 2;
    const images = plan.take(Math.ceil((samples * pixels) / 4) + 8) + plan.pick(0, 3);
    // Runs of background, as images have them.
    for (let i = 0; i < 6; i++) {
      const start = images + plan.pick(0, samples * pixels);
      plan.bytes.fill(0, start, Math.min(start + plan.pick(0, 60), images + samples * pixels));
    }
    const table = plan.take(256);
    const order = plan.order(first + rows, samples);
    const [x, stride] = plan.matrix(rows, panelCount(pixels));
    return [images, pixels, order, first, rows, table, x, stride];
  },
  multiplyAdd(plan) {
    const count = 4 * plan.pick(0, 30);
    return [plan.take(count), plan.take(count), plan.take(count), plan.take(count), count];
  },
};

export const kernelNames = Object.keys(plans) as KernelName[];

/** Half of the memories are mild: once NaN is everywhere, nothing is compared any more. */
const contents: readonly Kind[] = ['mild', 'wild', 'mild', 'hostile'];

/** So many cases of a kernel. The arrays of a case are good until the next. */
export function* casesOf(kernel: KernelName, count: number, seed: number): Generator<Case> {
  const memory = newMemory(memoryBytes / 65_536);
  const after = new Uint32Array(memory.buffer, 0, imageBytes / 4);
  const twin = twinKernels(memory);
  const before = new Uint32Array(imageBytes / 4);
  for (let i = 0; i < count; i++) {
    const random = randomWords(seed + 1000 * kernelNames.indexOf(kernel) + i);
    for (const at of before.keys()) before[at] = drawBits(random, contents[i % contents.length]);
    const plan = new Plan(before.buffer, random);
    const values = plans[kernel](plan);
    after.set(before);
    const result = call(twin, kernel, values);
    // Bits of NaN are not compared, nor what they add up to.
    if (result === 1 && plan.checksum !== 0) plan.padding.add(plan.checksum / 4).add(plan.checksum / 4 + 1);
    yield { kernel, values, before, after, result, padding: plan.padding };
  }
}

/** Calls a kernel by name. */
export function call(
  kernels: Pick<Kernels, KernelName>,
  kernel: KernelName,
  values: readonly number[],
): number | undefined {
  return (kernels[kernel] as (...values: readonly number[]) => number | undefined)(...values);
}

/** Where an image and a result differ from the twin's; null if they do not. Bits of NaN are not compared. */
export function findDifference(
  { kernel, values, after, result, padding }: Case,
  got: { readonly words: Uint32Array; readonly result: number | undefined },
): string | null {
  const named = `${kernel}(${values.join(', ')})`;
  if (!Object.is(result, got.result)) return `${named} returned ${got.result}, the twin ${result}`;
  const hex = (word: number) => `0x${word.toString(16)}`;
  for (const [i, word] of after.entries()) {
    if (padding.has(i) || word === got.words[i] || (isNaNWord(word) && isNaNWord(got.words[i]))) continue;
    return `${named} left ${hex(got.words[i])} at byte ${4 * i}, the twin ${hex(word)}`;
  }
  return null;
}
