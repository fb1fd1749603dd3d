// The checksum of what an update writes (see twin/checksum.ts), as it is written.

// @ts-ignore: decorator
@inline
const STRIDE: i32 = 0x9e3779b9;
// What the keys of the optimizer's state have more: 2^31 positions.
// @ts-ignore: decorator
@inline
export const STATE_KEY: i32 = 0x80000000;

// The keys of four words from a position on.
// @ts-ignore: decorator
@inline
export function keysAt(position: i32): v128 {
  return i32x4.add(i32x4.splat(position * STRIDE), i32x4(0, STRIDE, 2 * STRIDE, 3 * STRIDE));
}

// The keys of the four words behind.
// @ts-ignore: decorator
@inline
export function nextKeys(keys: v128): v128 {
  return i32x4.add(keys, i32x4.splat(4 * STRIDE));
}

// Adds two pairs of words to the two halves of a sum.
// @ts-ignore: decorator
@inline
export function withPairs(sum: v128, value: v128, keys: v128): v128 {
  const keyed = i32x4.add(value, keys);
  const left = v128.shuffle<i32>(keyed, keyed, 0, 2, 0, 2);
  const right = v128.shuffle<i32>(keyed, keyed, 1, 3, 1, 3);
  return i64x2.add(i64x2.add(sum, keyed), i64x2.extmul_low_i32x4_u(left, right));
}

// @ts-ignore: decorator
@inline
export function addToChecksum(checksum: usize, sum: v128): void {
  const both = i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
  store<i64>(checksum, load<i64>(checksum) + both);
}
