import { createHash } from 'node:crypto';
import { type Kernels, padded, panelBytes, panelCount, panelWidth, stackBytes } from './kernels.ts';
import { type SharedMemory, wasm } from './webassembly.ts';

/**
 * SHA-256 of what the known computation below leaves in memory, from the slow twin. It changes with the arithmetic
 * version and with the layout of memory.
 */
export const knownAnswer = '04a2b414b981d327d28fdc0781e78ef9c5bd447f1c62dd81b54eda87d3d2d367';

/** Values a · b + c on which a fused multiply-add differs from a multiplication followed by an addition. */
const fusedTriples: readonly (readonly [number, number, number, number])[] = [
  [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11), 2 ** -24],
  [1 + 2 ** -23, 1 - 2 ** -23, -1, -(2 ** -46)],
  [2 ** -75, 2 ** -75, 2 ** -149, 2 ** -148],
  // Rounded to binary64 first, the sum is a tie and goes the other way.
  [2 ** -24 * (1 + 2 ** -23), 1 - 2 ** -23, 1 + 2 ** -23, 1 + 2 ** -23],
  [2 ** 100, 2 ** 100, -Infinity, -Infinity],
];

export const probePages = 3;

/**
 * Tries kernels on values whose results are known: first the fused multiply-add, then a chain through most of
 * them. Returns null if they are right, else what was wrong.
 */
export function failedProbe(instantiate: (memory: SharedMemory) => Kernels): string | null {
  const memory = new wasm.Memory({ initial: probePages, maximum: probePages, shared: true });
  const kernels = instantiate(memory);
  const floats = new Float32Array(memory.buffer);
  for (const [a, b, c, expected] of fusedTriples) {
    floats.fill(a, 8, 12);
    floats.fill(b, 12, 16);
    floats.fill(c, 16, 20);
    kernels.multiplyAdd(32, 48, 64, 80, 4);
    if (floats[20] !== expected) return `${a} · ${b} + ${c} gave ${floats[20]}, fused it is ${expected}`;
  }
  const answer = computeKnownAnswer(kernels, memory);
  return answer === knownAnswer ? null : `known answers: got ${answer}, expected ${knownAnswer}`;
}

/** Two shards through a dense layer, batch normalisation, every activation, the loss and back; hashed. */
export function computeKnownAnswer(kernels: Kernels, memory: SharedMemory): string {
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(0);
  const [rows, shardSize, depth, width] = [7, 4, 19, 32];
  const panels = panelCount(width);
  const stride = panelBytes * rows;
  const weightSize = depth * width;
  let next = 64;
  const take = (floats: number): number => {
    const offset = next;
    next += Math.ceil(floats / panelWidth) * panelBytes;
    return offset;
  };
  const x = take(rows * padded(depth));
  const w = take(weightSize);
  const bias = take(width);
  const [y, z, d] = [take(rows * width), take(rows * width), take(rows * width)];
  const vector = 4 * width;
  const slots = take(2 * 2 * width);
  const [mean, m2, inverse, sums] = [take(width), take(width), take(width), take(2 * width)];
  const rule = take(4);
  const gradient = take(weightSize);
  const updated = take(2 * weightSize);
  const fused = take(2 * weightSize);
  const transposed = take(width * padded(depth));
  const checksum = take(2);
  const correct = take(1);
  const stack = take(stackBytes / 4);
  kernels.normal(x, rows * padded(depth), 1, 2, 1);
  kernels.normal(w, weightSize, 3, 4, 0.5);
  kernels.uniform(bias, width, 5, 6, -1, 1);
  new Float32Array(memory.buffer, rule, 4).set([0.1, 0.9, 1e-4, 1]);
  kernels.dense(x, stride, w, bias, y, stride, rows, depth, width);
  for (let shard = 0; shard < 2; shard++) {
    const slot = slots + shard * 2 * vector;
    const rowCount = shard === 0 ? 4 : 3;
    kernels.moments(y + shard * 4 * panelBytes, stride, rowCount, panels, slot, slot + vector);
  }
  kernels.mergeMoments(slots, 2 * vector, width, rows, shardSize, 0, 2, 0, width, mean, m2, stack);
  kernels.inverseDeviation(m2, rows, 1e-5, panels, inverse);
  kernels.normalise(y, z, stride, rows, panels, mean, inverse, bias, mean);
  kernels.sigmoid(z, d, stride, rows, 1);
  kernels.tanh(z + stride, d + stride, stride, rows, 1);
  kernels.affine(d, z, stride, rows, panels, 3, -1);
  kernels.softmaxCrossEntropy(z, stride, 21, rows, 0, 0, 0, rows, d, correct);
  kernels.normaliseSums(y, d, stride, rows, panels, mean, inverse, sums, sums + vector);
  kernels.normaliseBackward(y, d, z, stride, rows, panels, mean, inverse, bias, sums, sums + vector, rows);
  kernels.denseWeightGradient(
    x,
    stride,
    z,
    stride,
    rows,
    shardSize,
    0,
    2,
    depth,
    width,
    0,
    weightSize,
    gradient,
    stack,
  );
  kernels.sgd(w, gradient, x, updated, updated + 4 * weightSize, weightSize, rule, 0, checksum);
  kernels.denseWeightUpdate(
    x,
    stride,
    z,
    stride,
    rows,
    shardSize,
    depth,
    width,
    0,
    weightSize,
    w,
    x,
    fused,
    fused + 4 * weightSize,
    rule,
    stack,
    weightSize,
    checksum,
  );
  kernels.transpose(updated, depth, width, transposed);
  // Scratch, which lies last, is not part of the answer.
  return createHash('sha256').update(bytes.subarray(0, stack)).digest('hex');
}
