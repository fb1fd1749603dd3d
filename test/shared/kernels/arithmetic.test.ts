/** The fused multiply-add of all builds against whole-number arithmetic, on values that tell them apart. */
import fc from 'fast-check';
import t from 'tap';
import { exactFma } from '../../helpers/exact-fma.ts';
import { holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';
import { bitsOf, drawBits, floatOf, kinds, randomWords } from '../../helpers/values.ts';

t.comment(`seed ${seed}`);
const builds = kernelBuilds(t);
const f = Math.fround;
const triplesOfKind = 4000;

type Triple = readonly [number, number, number];

/** How triples are drawn; each kind is there because some wrong multiply-add fails on it. */
const generators: Record<string, (random: () => number) => Triple> = {
  'any bits': (random) => [floatOf(random()), floatOf(random()), floatOf(random())],
  'values of every kind': (random) => {
    const draw = () => floatOf(drawBits(random, kinds[random() % 3]));
    return [draw(), draw(), draw()];
  },
  // c within 2³⁰ of the product: the digits of both matter.
  overlapping: (random) => {
    const [a, b] = [nearOne(random), nearOne(random)];
    return [a, b, nearOne(random) * 2 ** ((random() % 61) - 30)];
  },
  // What is left of the product is its rounding error, or a few units more.
  cancelling: (random) => {
    const [a, b] = [nearOne(random), nearOne(random)];
    return [a, b, -floatOf(bitsOf(a * b) + (random() % 5) - 2)];
  },
  // Results about 2⁻¹⁴⁹ … 2⁻¹²⁰: fewer digits are kept, and what is below the smallest is rounded.
  subnormal: (random) => {
    const scale = (random() % 40) - 20;
    const a = nearOne(random) * 2 ** (-64 + scale);
    const b = nearOne(random) * 2 ** (-64 - scale - (random() % 24));
    return [a, b, floatOf(random() & 0x83ffffff)];
  },
  // c plus half a unit in its last place, plus or minus far less than binary64 can hold beside c.
  halfway: (random) => {
    const c = floatOf((random() & 0x807fffff) | ((87 + (random() % 80)) << 23));
    const halfUnit = 2 ** (((bitsOf(c) >>> 23) & 0xff) - 127 - 24);
    const [up, down] = [1 + 2 ** -23 * (1 + (random() % 3)), 1 - 2 ** -23 * (1 + (random() % 3))];
    const sign = random() & 1 ? 1 : -1;
    const split = 2 ** ((random() % 20) - 10);
    return [sign * split * up, (halfUnit / split) * down, c];
  },
  // The same where c is subnormal: its last place is 2⁻¹⁴⁹.
  'halfway, subnormal': (random) => {
    const c = floatOf(random() & 0x807fffff);
    const [up, down] = [1 + 2 ** -23 * (1 + (random() % 3)), 1 - 2 ** -23 * (1 + (random() % 3))];
    return [(random() & 1 ? 1 : -1) * 2 ** -70 * up, 2 ** -80 * down, c];
  },
  overflowing: (random) => {
    const a = floatOf((random() & 0x807fffff) | ((180 + (random() % 20)) << 23));
    const b = floatOf((random() & 0x807fffff) | ((180 + (random() % 20)) << 23));
    return [a, b, floatOf((random() & 0x807fffff) | (254 << 23))];
  },
};

const kindsOfTriples = Object.values(generators);
// Vectors have four lanes, and what one of them needs must not touch the others.
generators['all of these, side by side'] = (random) =>
  kindsOfTriples[random() % kindsOfTriples.length](random);

/** ±1 … 2. */
function nearOne(random: () => number): number {
  return floatOf((random() & 0x807fffff) | 0x3f800000);
}

interface Drawn {
  readonly triples: readonly Triple[];
  readonly expected: readonly number[];
}

const drawn = new Map(
  Object.entries(generators).map(([kind, draw], index): [string, Drawn] => {
    const random = randomWords(seed + index);
    const triples = Array.from({ length: triplesOfKind }, (): Triple => {
      const [a, b, c] = draw(random);
      return [f(a), f(b), f(c)];
    });
    return [kind, { triples, expected: triples.map(([a, b, c]) => exactFma(a, b, c)) }];
  }),
);

/** How many results are wrong: NaN is NaN, zeros have signs. */
function countWrong({ expected }: Drawn, results: ArrayLike<number>): number {
  return expected.filter((value, i) => !Object.is(value, results[i])).length;
}

for (const { name, instantiate } of builds) {
  t.test(`${name}: a · b + c is rounded once, subnormal, halfway and cancelling results too`, (t) => {
    const memory = newMemory(2);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    const place = (index: number) => 64 + 4 * triplesOfKind * index;
    for (const [kind, group] of drawn) {
      for (const [i, triple] of group.triples.entries()) {
        for (const [j, value] of triple.entries()) floats[place(j) / 4 + i] = value;
      }
      kernels.multiplyAdd(place(0), place(1), place(2), place(3), triplesOfKind);
      const results = floats.subarray(place(3) / 4, place(4) / 4);
      t.equal(countWrong(group, results), 0, `${triplesOfKind} triples, ${kind}`);
    }
    t.end();
  });
}

t.test('the triples tell fused from unfused, and one rounding from two', (t) => {
  for (const [kind, group] of drawn) {
    const unfused = group.triples.map(([a, b, c]) => f(f(a * b) + c));
    const twice = group.triples.map(([a, b, c]) => f(a * b + c));
    const [wrongUnfused, wrongTwice] = [countWrong(group, unfused), countWrong(group, twice)];
    t.comment(`${kind}: unfused is wrong ${wrongUnfused} times, rounding to binary64 first ${wrongTwice}`);
    if (['overlapping', 'cancelling', 'subnormal'].includes(kind)) t.ok(wrongUnfused > 0, kind);
    if (kind.startsWith('halfway')) t.ok(wrongTwice > 0, kind);
  }
  t.end();
});

t.test('the whole-number arithmetic knows what was worked out by hand', (t) => {
  const cases: (readonly [...Triple, number])[] = [
    [2, 3, 4, 10],
    [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11), 2 ** -24],
    // 1 + 2⁻²⁴ is halfway between 1 and the next, to even; a little more goes up, a little less stays.
    [2 ** -24, 1, 1, 1],
    [2 ** -24, 1 + 2 ** -23, 1, 1 + 2 ** -23],
    [2 ** -24, 1, 1 + 2 ** -23, 1 + 2 ** -22],
    // Half of the smallest subnormal to even: 0 from 0, 2 · 2⁻¹⁴⁹ from 1 · 2⁻¹⁴⁹.
    [2 ** -75, 2 ** -75, 0, 0],
    [2 ** -75, 2 ** -75, 2 ** -149, 2 ** -148],
    [2 ** -75, -(2 ** -75), 0, -0],
    [2 ** 127, 2, -(2 ** 127), 2 ** 127],
    [2 ** 127, 2, 0, Number.POSITIVE_INFINITY],
    [-0, 1, -0, -0],
    [-0, 1, 0, 0],
    [1, 1, -1, 0],
    [0, Number.POSITIVE_INFINITY, 1, Number.NaN],
    [2, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
  ];
  for (const [a, b, c, expected] of cases) {
    const got = exactFma(a, b, c);
    t.ok(Object.is(got, expected), `${a} · ${b} + ${c} = ${expected}, got ${got}`);
  }
  t.end();
});

t.test('multiplyAdd: every build gives the twin’s bits, beside its operands or over one', (t) => {
  const cases = fc.record({ count: fc.nat(60).map((quarters) => 4 * quarters), over: fc.nat(3) });
  holdEqual(t, builds, cases, ({ count, over }, area) => {
    const places = [0, 1, 2, 3].map(() => area.take(count));
    const [a, b, c] = places;
    return (kernels) => kernels.multiplyAdd(a, b, c, places[over], count);
  });
  t.end();
});
