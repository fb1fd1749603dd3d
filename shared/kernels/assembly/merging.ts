// Partials of shards become totals of tree nodes.
import { fma } from './arithmetic';
import { isBad, stillFinite } from './update';

export function mergeSums(
  slots: usize, slotStride: usize, lo: i32, hi: i32, from: i32, to: i32, out: usize, stack: usize,
): i32 {
  let finite = f32x4.splat(0);
  for (let column = from; column < to; column += 8) {
    let top = stack;
    let slot = slots + <usize>lo * slotStride + ((<usize>column) << 2);
    for (let shard = lo; shard < hi; shard++) {
      top = pushPair(top, shard - lo + 1, v128.load(slot), v128.load(slot, 16));
      slot += slotStride;
    }
    foldStack(stack, top, 32);
    const a = v128.load(stack);
    const b = v128.load(stack, 16);
    v128.store(out, a);
    v128.store(out, b, 16);
    finite = stillFinite(stillFinite(finite, a), b);
    out += 32;
  }
  return isBad(finite);
}

// @ts-ignore: decorator
@inline
const LEVEL_BYTES: usize = 48; // count, mean and M2 of four columns

export function mergeMoments(
  slots: usize, slotStride: usize, width: i32, rows: i32, shardSize: i32, lo: i32, hi: i32, from: i32, to: i32,
  outMean: usize, outM2: usize, stack: usize,
): i32 {
  let finite = f32x4.splat(0);
  const toM2 = (<usize>width) << 2;
  for (let column = from; column < to; column += 4) {
    let top = stack;
    for (let shard = lo; shard < hi; shard++) {
      const slot = slots + <usize>shard * slotStride + ((<usize>column) << 2);
      const first = shard * shardSize;
      v128.store(top, f32x4.splat(<f32>(min(first + shardSize, rows) - first)));
      v128.store(top, v128.load(slot), 16);
      v128.store(top, v128.load(slot + toM2), 32);
      for (let count = shard - lo + 1; (count & 1) == 0; count >>= 1) {
        top -= LEVEL_BYTES;
        mergeLevel(top);
      }
      top += LEVEL_BYTES;
    }
    for (top -= LEVEL_BYTES; top > stack; ) {
      top -= LEVEL_BYTES;
      mergeLevel(top);
    }
    const mean = v128.load(stack, 16);
    const m2 = v128.load(stack, 32);
    finite = stillFinite(stillFinite(finite, mean), m2);
    if (outMean != 0) {
      v128.store(outMean, mean);
      outMean += 16;
    }
    if (outM2 != 0) {
      v128.store(outM2, m2);
      outM2 += 16;
    }
  }
  return isBad(finite);
}

// Chan, Golub, LeVeque (1979), with one order of operations: n = a + b; δ = mean_b − mean_a; s = b ÷ n;
// mean = δ · s + mean_a; M2 = (δ · δ) · (a · s) + (M2_a + M2_b).
// @ts-ignore: decorator
@inline
function mergeLevel(left: usize): void {
  const right = left + LEVEL_BYTES;
  const a = v128.load(left);
  const b = v128.load(right);
  const mean = v128.load(left, 16);
  const n = f32x4.add(a, b);
  const delta = f32x4.sub(v128.load(right, 16), mean);
  const share = f32x4.div(b, n);
  const m2 = f32x4.add(v128.load(left, 32), v128.load(right, 32));
  v128.store(left, n);
  v128.store(left, fma(delta, share, mean), 16);
  v128.store(left, fma(f32x4.mul(delta, delta), f32x4.mul(a, share), m2), 32);
}

// Merges a leaf of two vectors with the finished subtrees to its left, `count` leaves having been seen; returns the
// new top.
// @ts-ignore: decorator
@inline
export function pushPair(top: usize, count: i32, a: v128, b: v128): usize {
  for (; (count & 1) == 0; count >>= 1) {
    top -= 32;
    a = f32x4.add(v128.load(top), a);
    b = f32x4.add(v128.load(top, 16), b);
  }
  v128.store(top, a);
  v128.store(top, b, 16);
  return top + 32;
}

// Merges what is left on the stack from right to left, always left + right; the result is at its bottom.
export function foldStack(stack: usize, top: usize, bytes: usize): void {
  for (let right = top - bytes; right > stack; right -= bytes) {
    addVectors(right - bytes, right, bytes);
  }
}

// Four leaves, the first at `first`, become their node there. Merged one by one they would go through memory more often.
export function addFour(first: usize, bytes: usize): void {
  const second = first + bytes;
  const third = second + bytes;
  const fourth = third + bytes;
  for (let i: usize = 0; i < bytes; i += 16) {
    const left = f32x4.add(v128.load(first + i), v128.load(second + i));
    v128.store(first + i, f32x4.add(left, f32x4.add(v128.load(third + i), v128.load(fourth + i))));
  }
}

// A few vectors; `memory.copy` leaves WebAssembly for that and takes longer.
// @ts-ignore: decorator
@inline
export function copyVectors(to: usize, from: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
}

// left += right, over some vectors.
// @ts-ignore: decorator
@inline
export function addVectors(left: usize, right: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(left + i, f32x4.add(v128.load(left + i), v128.load(right + i)));
  }
}
