import type { Views } from './memory.ts';

/** What the words of a vector are told apart by: 2³² ÷ the golden ratio, so that neighbours are far from each other. */
const stride = 0x9e3779b9;
/** The optimizer's state stands as far behind the parameters as can be. */
export const statePosition = 2 ** 31;

/**
 * The sum modulo 2⁶⁴ over pairs of neighbouring words a, b of x: each has stride · its position added, modulo 2³²; then
 * the pair counts a · b + a + 2³² · b.
 *
 * But for 2³² that is (a + 2³²) · (b + 1), so a change of one word always shows: it is multiplied by the other factor,
 * which is not 0 and below 2³³; 2 goes into the change less than 32 times and into the factor less than 33 times, and so
 * not 64 times into both. That changes of several words cancel takes a chance of 2⁻³² and less, unless the words are as
 * regular as the changes: by how much a change counts is the other word's business.
 * (Products of pairs with keys added are NH's, in Black, Halevi, Krawczyk, Krovetz and Rogaway, UMAC, 1999; that the pair
 * itself is added is XXH3's.)
 */
export function checksumOf(words: Uint32Array, position: number): bigint {
  const keyed = words.map((word, i) => word + Math.imul(stride, position + i));
  let sum = 0n;
  for (let i = 0; i < keyed.length; i += 2) {
    const [a, b] = [BigInt(keyed[i]), BigInt(keyed[i + 1])];
    sum += a * b + a + (b << 32n);
  }
  return BigInt.asUintN(64, sum);
}

/** Adds the checksum of `count` words at byte offset `x`, the first of which is at `position`, to the one in memory. */
export function addChecksum(m: Views, x: number, count: number, position: number, checksum: number): void {
  const words = m.words.slice(x / 4, x / 4 + count);
  const before = BigInt(m.words[checksum / 4]) + (BigInt(m.words[checksum / 4 + 1]) << 32n);
  const sum = before + checksumOf(words, position);
  m.words[checksum / 4] = Number(BigInt.asUintN(32, sum));
  m.words[checksum / 4 + 1] = Number(BigInt.asUintN(32, sum >> 32n));
}
