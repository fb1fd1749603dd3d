/** The generator against Random123's known answers and a plain restatement, and the shuffle's fairness. */
import fc from 'fast-check';
import t from 'tap';
import { type Key, shuffle, streamKey, streams, threefry } from '../../shared/random.ts';

const seed = 20261124;
t.comment(`fast-check seed ${seed}`);

t.test('Threefry-2x32-20 gives Random123’s known answers', (t) => {
  // kat_vectors of Random123 1.14: "threefry2x32 20".
  const answers: [Key, [number, number], [number, number]][] = [
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ];
  for (const [key, [counter0, counter1], expected] of answers) {
    t.same(threefry(key, counter0, counter1), expected, `key ${key}`);
  }
  t.end();
});

/** Threefry-2x32-20 in whole numbers modulo 2³², as the paper's equations stand. */
function plainThreefry(key: Key, counter: readonly [number, number]): bigint[] {
  const modulus = 1n << 32n;
  const parity = BigInt(key[0]) ^ BigInt(key[1]) ^ 0x1bd11bdan;
  const keys = [BigInt(key[0]), BigInt(key[1]), parity];
  let [a, b] = counter.map((word, i) => (BigInt(word) + keys[i]) % modulus);
  for (let round = 1n; round <= 20n; round++) {
    const rotation = [24n, 13n, 15n, 26n, 6n, 17n, 29n, 16n][Number(round % 8n)];
    a = (a + b) % modulus;
    b = (((b << rotation) % modulus) | (b >> (32n - rotation))) ^ a;
    if (round % 4n !== 0n) continue;
    const injection = round / 4n;
    a = (a + keys[Number(injection % 3n)]) % modulus;
    b = (b + keys[Number((injection + 1n) % 3n)] + injection) % modulus;
  }
  return [a, b];
}

const word = fc.nat(0xffffffff);
const key = fc.tuple(word, word);

t.test('any key and counter give the block that the equations give', (t) => {
  fc.assert(
    fc.property(key, fc.tuple(word, word), (key, counter) => {
      const block = threefry(key, ...counter).map(BigInt);
      return block.join() === plainThreefry(key, counter).join();
    }),
    { seed, numRuns: 500 },
  );
  t.pass('500 blocks');
  t.end();
});

/** Fisher and Yates, from the last place down, the partner ⌊word · (i + 1) ÷ 2³²⌋. */
function plainShuffle(length: number, key: Key): number[] {
  const places = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const partner = Number((plainThreefry(key, [i, 0])[0] * BigInt(i + 1)) >> 32n);
    [places[i], places[partner]] = [places[partner], places[i]];
  }
  return places;
}

function shuffled(length: number, key: Key): Uint32Array {
  const places = Uint32Array.from({ length }, (_, i) => i);
  shuffle(places, key);
  return places;
}

t.test('a shuffle is Fisher’s and Yates’s with exact partners, and depends on its key alone', (t) => {
  fc.assert(
    fc.property(key, fc.nat(100), (key, length) => {
      const places = shuffled(length, key);
      return (
        places.join() === plainShuffle(length, key).join() && places.join() === shuffled(length, key).join()
      );
    }),
    { seed, numRuns: 200 },
  );
  const long = 70_000; // past 2¹⁶, where the product no longer fits in 48 bits
  t.same([...shuffled(long, [3, 4])], plainShuffle(long, [3, 4]));
  t.end();
});

t.test('a shuffle moves whatever values there are, and keeps each', (t) => {
  fc.assert(
    fc.property(key, fc.uint32Array({ maxLength: 60 }), (key, values) => {
      const order = shuffled(values.length, key);
      const moved = values.slice();
      shuffle(moved, key);
      return moved.every((value, i) => value === values[order[i]]);
    }),
    { seed, numRuns: 200 },
  );
  const sorted = shuffled(5000, [9, 9]).sort();
  t.ok(sorted.every((value, i) => value === i));
  t.end();
});

/**
 * χ² of d degrees of freedom has mean d and variance 2d. Above d + 4 · √(2d) it is less than once in 2000 times
 * for d ≥ 100; the keys are fixed, so it is always or never.
 */
function fairBound(freedom: number): number {
  return freedom + 4 * Math.sqrt(2 * freedom);
}

t.test('all 120 orders of five are equally likely', (t) => {
  const shuffles = 60_000;
  const counts = new Map<string, number>();
  for (let i = 0; i < shuffles; i++) {
    const order = shuffled(5, streamKey(seed, streams.shuffle, i)).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  const expected = shuffles / 120;
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  t.equal(counts.size, 120);
  t.ok(chiSquare < fairBound(119), `χ² ${chiSquare.toFixed(1)}, at most ${fairBound(119).toFixed(1)}`);
  // Always swapping with any place, a known mistake, is not fair and would show.
  const biased = new Map<string, number>();
  for (let i = 0; i < shuffles; i++) {
    const places = [0, 1, 2, 3, 4];
    for (let at = 4; at >= 0; at--) {
      const partner = Math.floor((threefry([seed, i], at, 0)[0] / 2 ** 32) * 5);
      [places[at], places[partner]] = [places[partner], places[at]];
    }
    biased.set(places.join(''), (biased.get(places.join('')) ?? 0) + 1);
  }
  const unfair = [...biased.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  t.ok(unfair > fairBound(119), `a biased shuffle has χ² ${unfair.toFixed(1)}`);
  t.end();
});

t.test('every value is equally likely in every place', (t) => {
  const [length, shuffles] = [64, 4000];
  const counts = new Float64Array(length * length);
  for (let i = 0; i < shuffles; i++) {
    for (const [place, value] of shuffled(length, streamKey(seed, streams.subset, i)).entries()) {
      counts[length * place + value]++;
    }
  }
  const expected = shuffles / length;
  const sum = counts.reduce((total, count) => total + (count - expected) ** 2 / expected, 0);
  // Rows and columns have fixed sums: (n − 1)² degrees of freedom, and a factor of (n − 1) ÷ n.
  const [chiSquare, bound] = [(sum * (length - 1)) / length, fairBound((length - 1) ** 2)];
  t.ok(chiSquare < bound, `χ² ${chiSquare.toFixed(1)}, at most ${bound.toFixed(1)}`);
  t.end();
});

t.test('streams of other seeds, purposes and numbers have other keys', (t) => {
  const keys = new Set<string>();
  for (const seed of [0, 1, 2, 0xffffffff]) {
    for (const purpose of Object.values(streams)) {
      for (let number = 0; number < 50; number++) keys.add(streamKey(seed, purpose, number).join());
    }
  }
  t.equal(keys.size, 4 * 3 * 50);
  t.end();
});

t.test('what is drawn never changes: keys and orders are part of the contract', (t) => {
  t.same(streams, { shuffle: 1, subset: 2, initial: 3 });
  const hex = (seed: number, purpose: number, number: number) =>
    streamKey(seed, purpose, number).map((word) => word.toString(16).padStart(8, '0'));
  t.same(hex(0, streams.shuffle, 1), ['4233dc34', '3df99f6b']);
  t.same(hex(7, streams.subset, 0), ['ab07d4ab', 'de528f71']);
  t.same(hex(0xffffffff, streams.initial, 5), ['cbdc68b9', 'aa0f6684']);
  t.same([...shuffled(10, streamKey(0, streams.shuffle, 1))], [1, 5, 7, 3, 2, 4, 8, 6, 9, 0]);
  t.end();
});
