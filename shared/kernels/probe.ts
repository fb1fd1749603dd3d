import { createHash } from 'node:crypto';
import type { Kernels } from './kernels.ts';
import { type SharedMemory, wasm } from './webassembly.ts';

/**
 * SHA-256 of what the known computation below leaves in memory, from the slow twin. It changes with the
 * arithmetic version only.
 */
const knownAnswer = 'ea8c1000aeb37932ee6dbb167b3b2cc9913187e9fdbd4a121085b7a8caaed886';

/** Values a · b + c on which a fused multiply-add differs from a multiplication followed by an addition. */
const fusedTriples: readonly (readonly [number, number, number, number])[] = [
  [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11), 2 ** -24],
  [1 + 2 ** -23, 1 - 2 ** -23, -1, -(2 ** -46)],
  [2 ** -75, 2 ** -75, 2 ** -149, 2 ** -148],
  // Rounded to binary64 first, the sum is a tie and goes the other way.
  [2 ** -24 * (1 + 2 ** -23), 1 - 2 ** -23, 1 + 2 ** -23, 1 + 2 ** -23],
  [2 ** 100, 2 ** 100, -Infinity, -Infinity],
];

const probePages = 2;

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
  const [rows, shardSize, depth, width] = [7, 4, 11, 16];
  const xStride = 64;
  const yStride = 4 * width;
  let next = 64;
  const take = (floats: number): number => {
    const offset = next;
    next += Math.ceil(floats / 16) * 64;
    return offset;
  };
  const x = take(rows * 16);
  const w = take(depth * width);
  const bias = take(width);
  const y = take(rows * width);
  const z = take(rows * width);
  const d = take(rows * width);
  const slots = take(2 * 2 * width);
  const [mean, m2, inverse, sums] = [take(width), take(width), take(width), take(2 * width)];
  const stack = take(1056);
  const gradient = take(depth * width);
  const updated = take(2 * depth * width);
  const transposed = take(16 * width);
  kernels.normal(x, rows * 16, 1, 2, 1);
  kernels.normal(w, depth * width, 3, 4, 0.5);
  kernels.uniform(bias, width, 5, 6, -1, 1);
  kernels.dense(x, xStride, w, bias, y, yStride, rows, depth, 2);
  for (let shard = 0; shard < 2; shard++) {
    const slot = slots + shard * 2 * yStride;
    kernels.moments(y + shard * 4 * yStride, yStride, shard === 0 ? 4 : 3, width, slot, slot + yStride);
  }
  kernels.mergeMoments(slots, 2 * yStride, width, rows, shardSize, 0, 2, 0, width, mean, m2, stack);
  kernels.inverseDeviation(m2, rows, 1e-5, width, inverse);
  kernels.normalise(y, z, yStride, rows, width, mean, inverse, bias, mean);
  kernels.sigmoid(z, d, (rows * width) / 2);
  kernels.tanh(z + 2 * rows * width, d + 2 * rows * width, (rows * width) / 2);
  kernels.affine(d, z, rows * width, 3, -1);
  kernels.softmaxCrossEntropy(z, yStride, 10, rows, 0, 0, 0, rows, d);
  kernels.normaliseSums(y, d, yStride, rows, width, mean, inverse, sums, sums + yStride);
  kernels.normaliseBackward(y, d, z, yStride, rows, width, mean, inverse, bias, sums, sums + yStride, rows);
  kernels.denseWeightGradient(
    x,
    xStride,
    z,
    yStride,
    rows,
    shardSize,
    0,
    2,
    depth,
    0,
    depth * width,
    gradient,
    stack,
  );
  kernels.sgd(w, gradient, x, updated, updated + 4 * depth * width, depth * width, 0.1, 0.9, 1e-4, 1);
  kernels.transpose(updated, depth, width, transposed);
  bytes.fill(0, stack, gradient); // scratch is not part of the answer
  return createHash('sha256').update(bytes).digest('hex');
}
