/** Seeded binary32 values of every kind: what a test of arithmetic needs to fail on. */

/** Random u32 words by xorshift (Marsaglia, 2003): independent of the generator under test. */
export function randomWords(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

const view = new DataView(new ArrayBuffer(4));

export function floatOf(bits: number): number {
  view.setUint32(0, bits >>> 0);
  return view.getFloat32(0);
}

export function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

/** True for the bit patterns of NaN. */
export function isNaNWord(word: number): boolean {
  return (word & 0x7fffffff) > 0x7f800000;
}

/**
 * What a memory is full of:
 * - `mild`: sums stay finite; with zeros of both signs, subnormals, and values near powers of two, on which a
 *   fused multiply-add differs from two operations
 * - `wild`: every exponent, values near the largest, products that overflow
 * - `hostile`: some NaN and infinities too
 */
export const kinds = ['mild', 'wild', 'hostile'] as const;
export type Kind = (typeof kinds)[number];

/** The bits of one value of a kind. */
export function drawBits(random: () => number, kind: Kind): number {
  const word = random();
  const sign = word & 0x80000000;
  const mantissa = random() & 0x7fffff;
  const choice = (word >>> 8) % 100;
  const exponent = (value: number): number => (sign | ((value + 127) << 23) | mantissa) >>> 0;
  if (choice < 3) return sign >>> 0; // a zero
  if (choice < 8) return (sign | mantissa) >>> 0; // a subnormal
  if (choice < 20) {
    // One plus or minus a few units in the last place, at a small power of two.
    const units = (word & 15) - 8;
    return ((sign | 0x3f800000) + (((word >>> 4) & 3) << 23) + units) >>> 0;
  }
  if (choice < 30) return bitsOf(((word & 0xff) - 128) / 16); // short values: exact sums and ties
  if (kind === 'mild' || choice < 60) return exponent(((word >>> 3) & 7) - 5);
  if (choice < 65) return (sign | 0x7f000000 | mantissa) >>> 0; // near the largest
  if (choice < 70) return (sign | ((1 + (word & 3)) << 23) | mantissa) >>> 0; // near the smallest normal
  if (kind === 'hostile' && choice < 73) {
    return [0x7fc00000, 0x7f800000, 0xff800000][choice - 70];
  }
  return exponent((word & 0xff) - 127 > 127 ? 127 : (word & 0xff) - 127);
}

/** A run of values of a kind. */
export function drawFloats(count: number, random: () => number, kind: Kind): Float32Array {
  const words = Uint32Array.from({ length: count }, () => drawBits(random, kind));
  return new Float32Array(words.buffer);
}
