/** What decoders are fed with that nobody meant for them, and how long they take over it. */
import { randomWords } from './values.ts';

/** Bytes at which formats change their minds: heads of every kind of MessagePack, borders of integers. */
const telling = [
  0x00, 0x01, 0x40, 0x72, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa1, 0xa4, 0xbf, 0xc0, 0xc1, 0xc3,
  0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
  0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
];

/**
 * So many inputs, the same for a seed: random bytes, bytes that look like heads of values, and mostly valid samples
 * with some bits flipped, bytes overwritten, pieces cut out, doubled, or joined with another sample's.
 */
export function* fuzzInputs(
  count: number,
  seed: number,
  samples: readonly Uint8Array[],
): Generator<Uint8Array> {
  const random = randomWords(seed);
  const below = (bound: number): number => random() % bound;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  // Mostly short, as messages are; one in fifty as long as they may be.
  const length = (): number => (below(50) === 0 ? below(16_385) : below(200));

  const mutate = (bytes: Uint8Array): Uint8Array => {
    const from = below(bytes.length + 1);
    const to = from + below(Math.min(bytes.length - from, 40) + 1);
    const kind = below(6);
    if (kind === 0) return joined(bytes.subarray(0, from), bytes.subarray(to));
    if (kind === 1) return joined(bytes.subarray(0, to), bytes.subarray(from));
    if (kind === 2) return joined(bytes.subarray(0, from), pick(samples).subarray(below(20)));
    const copy = new Uint8Array(bytes);
    if (from < copy.length) copy[from] = kind === 3 ? copy[from] ^ (1 << below(8)) : pick(telling);
    return copy;
  };

  for (let i = 0; i < count; i++) {
    const kind = below(8);
    if (kind === 0) yield Uint8Array.from({ length: length() }, () => random() >>> 8);
    else if (kind === 1) yield Uint8Array.from({ length: length() }, () => pick(telling));
    else {
      let bytes = pick(samples);
      for (let left = 1 + below(4); left > 0; left--) bytes = mutate(bytes);
      yield bytes;
    }
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([first, second]));
}

/**
 * Decodes everything and returns the longest time in milliseconds that an input took. Other programs take the
 * processor away at any moment, so an input over a tenth of `limitMs` is decoded again, up to five times in all, and
 * its shortest time counts: a slow input stays slow.
 */
export function slowestMs(
  inputs: Iterable<Uint8Array>,
  limitMs: number,
  decode: (bytes: Uint8Array) => void,
): number {
  let slowest = 0;
  for (const bytes of inputs) {
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5 && shortest > limitMs / 10; i++) {
      const start = performance.now();
      decode(bytes);
      shortest = Math.min(shortest, performance.now() - start);
    }
    slowest = Math.max(slowest, shortest);
  }
  return slowest;
}
