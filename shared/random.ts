/**
 * Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", 2011). A number depends on its key and its place alone, so every host and every
 * thread draws the same ones in any order.
 */

/** What a stream of numbers is for; part of its key. The values are part of the contract. */
export const streams = { shuffle: 1, subset: 2, initial: 3 } as const;

/** A key of two 32-bit words. */
export type Key = readonly [number, number];

const rotations = [13, 15, 26, 6, 17, 29, 16, 24];

/** The block of two u32 words for a counter of two u32 words. */
export function threefry([key0, key1]: Key, counter0: number, counter1: number): [number, number] {
  const keys = [key0, key1, key0 ^ key1 ^ 0x1bd11bda];
  let a = (counter0 + key0) | 0;
  let b = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = rotations[round % 8];
    a = (a + b) | 0;
    b = ((b << rotation) | (b >>> (32 - rotation))) ^ a;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = (a + keys[injection % 3]) | 0;
      b = (b + keys[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
}

/** The key of one stream: (seed, purpose, number), e.g. (seed, shuffle, epoch) or (seed, initial, tensor). */
export function streamKey(seed: number, purpose: number, number: number): Key {
  return threefry([seed, purpose], number, 0);
}

/**
 * Shuffles in place by Fisher and Yates (Durstenfeld, 1964): for i from the last place down to 1, the partner
 * is drawn uniformly from 0 … i by multiplying a u32 up and taking the upper word (bias below 2⁻³² · i).
 */
export function shuffle(places: Uint32Array, key: Key): void {
  for (let i = places.length - 1; i > 0; i--) {
    const partner = scaled(threefry(key, i, 0)[0], i + 1);
    const value = places[i];
    places[i] = places[partner];
    places[partner] = value;
  }
}

/** ⌊word · bound ÷ 2³²⌋, exact: in two halves, whose products with a bound below 2³² fit in 53 bits. */
function scaled(word: number, bound: number): number {
  const high = (word >>> 16) * bound;
  const low = (word & 0xffff) * bound;
  return Math.floor((high + Math.floor(low / 65536)) / 65536);
}
