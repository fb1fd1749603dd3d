/**
 * The order of sums, against a bottom-up restatement of the tree: neighbours merge pair by pair, left + right,
 * one that is left over goes up unchanged, until one is left.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { exactFma } from '../../helpers/exact-fma.ts';
import { kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

t.comment(`fast-check seed ${seed}`);
const f = Math.fround;
const add = (left: number, right: number) => f(left + right);

function mergePairwise<T>(leaves: readonly T[], merge: (left: T, right: T) => T): T {
  let level = [...leaves];
  while (level.length > 1) {
    const next: T[] = [];
    for (let i = 0; i < level.length; i += 2) {
      next.push(i + 1 < level.length ? merge(level[i], level[i + 1]) : level[i]);
    }
    level = next;
  }
  return level[0];
}

/** One sum in which every shard is a single value, by each kernel that sums across shards. */
const sums: Record<string, (kernels: Kernels, floats: Float32Array, values: readonly number[]) => number> = {
  // Values lie a row apart in column 3 of dY; x is 1.
  denseWeightGradient(kernels, floats, values) {
    for (const [row, value] of values.entries()) floats[256 + 8 * row + 3] = value;
    floats.fill(1, 2048, 2048 + values.length);
    const shards = values.length;
    kernels.denseWeightGradient(8192, 4, 1024, 32, shards, 1, 0, shards, 1, 0, 8, 32_768, 40_960);
    return floats[32_768 / 4 + 3];
  },
  columnSums(kernels, floats, values) {
    for (const [row, value] of values.entries()) floats[256 + 8 * row + 3] = value;
    kernels.columnSums(1024, 32, values.length, 1, 0, values.length, 0, 8, 32_768, 40_960);
    return floats[32_768 / 4 + 3];
  },
  mergeSums(kernels, floats, values) {
    for (const [row, value] of values.entries()) floats[256 + 8 * row + 3] = value;
    kernels.mergeSums(1024, 32, 0, values.length, 0, 8, 32_768, 40_960);
    return floats[32_768 / 4 + 3];
  },
};

const builds = kernelBuilds(t).map(({ name, instantiate }) => {
  const memory = newMemory(1);
  return { name, kernels: instantiate(memory), floats: new Float32Array(memory.buffer) };
});

/** Values of up to 70 shards; huge ones are left out, whose sums are infinite in any order. */
const leaves = fc
  .record({ count: fc.integer({ min: 1, max: 70 }), start: fc.nat() })
  .map(({ count, start }) => [...drawFloats(count, randomWords(start), 'mild')]);

for (const [name, sum] of Object.entries(sums)) {
  t.test(`${name} adds shards by the tree, and another order would show`, (t) => {
    let [cases, byArrival, rightToLeft] = [0, 0, 0];
    fc.assert(
      fc.property(leaves, (values) => {
        // A shard is summed from +0, which turns a value of −0 into +0; slots are taken as they are.
        const inShards = name === 'mergeSums' ? values : values.map((value) => f(0 + value));
        const expected = mergePairwise(inShards, add);
        cases++;
        if (!Object.is(inShards.reduce(add), expected)) byArrival++;
        if (!Object.is(inShards.toReversed().reduce(add), expected)) rightToLeft++;
        return builds.every(({ kernels, floats }) => Object.is(sum(kernels, floats, values), expected));
      }),
      { seed, numRuns: 300 },
    );
    t.comment(`of ${cases} sums, arrival order changes ${byArrival}, the reverse ${rightToLeft}`);
    t.ok(byArrival > cases / 4 && rightToLeft > cases / 4);
    t.end();
  });

  t.test(`${name}: 2²⁴ + 1 + 1 + 1 is (2²⁴ + 1) + (1 + 1)`, (t) => {
    const values = [2 ** 24, 1, 1, 1];
    t.equal(values.reduce(add), 2 ** 24, 'in arrival order every 1 would be lost');
    for (const { name, kernels, floats } of builds) {
      t.equal(sum(kernels, floats, values), 2 ** 24 + 2, name);
      // The fifth shard is a subtree of its own.
      t.equal(sum(kernels, floats, [1, 1, 1, 1, 2 ** 24]), 2 ** 24 + 4, name);
      t.equal(sum(kernels, floats, [2 ** 24, 1, 1]), 2 ** 24, name);
    }
    t.end();
  });
}

t.test('inside a shard samples are added in order, starting from +0', (t) => {
  const values = [1, 2 ** 24, -(2 ** 24), 1, 1, 1];
  for (const { name, kernels, floats } of builds) {
    for (const [row, value] of values.entries()) floats.fill(value, 256 + 8 * row, 264 + 8 * row);
    kernels.columnSums(1024, 32, 6, 4, 0, 2, 0, 8, 32_768, 40_960);
    // (((1 + 2²⁴) − 2²⁴) + 1) + (1 + 1), where 1 + 2²⁴ is 2²⁴.
    t.same([...floats.slice(8192, 8200)], Array(8).fill(3), name);
    floats.fill(-0, 256, 264);
    kernels.columnSums(1024, 32, 1, 4, 0, 1, 0, 8, 32_768, 40_960);
    t.ok(Object.is(floats[8192], 0), `${name}: +0 + −0 is +0`);
  }
  t.end();
});

interface Moments {
  readonly count: number;
  readonly mean: number;
  readonly m2: number;
}

/** Chan, Golub and LeVeque (1979) in the contract's order of operations. */
function mergeTwo(a: Moments, b: Moments): Moments {
  const n = a.count + b.count;
  const delta = f(b.mean - a.mean);
  const share = f(b.count / n);
  return {
    count: n,
    mean: exactFma(delta, share, a.mean),
    m2: exactFma(f(delta * delta), f(a.count * share), f(a.m2 + b.m2)),
  };
}

t.test('mergeMoments merges shards by the tree, and arrival order would show', (t) => {
  let [cases, byArrival] = [0, 0];
  const shapes = fc.record({
    count: fc.integer({ min: 1, max: 40 }),
    shardSize: fc.integer({ min: 1, max: 9 }),
    missing: fc.nat(8),
    start: fc.nat(),
  });
  fc.assert(
    fc.property(shapes, ({ count, shardSize, missing, start }) => {
      const last = shardSize - (missing % shardSize);
      const rows = (count - 1) * shardSize + last;
      const random = randomWords(start);
      const means = drawFloats(count, random, 'mild');
      const m2s = drawFloats(count, random, 'mild').map(Math.abs);
      const shards = Array.from({ length: count }, (_, i): Moments => {
        return { count: i === count - 1 ? last : shardSize, mean: means[i], m2: m2s[i] };
      });
      const expected = mergePairwise(shards, mergeTwo);
      const arrival = shards.reduce(mergeTwo);
      cases++;
      if (!Object.is(arrival.mean, expected.mean) || !Object.is(arrival.m2, expected.m2)) byArrival++;
      return builds.every(({ kernels, floats }) => {
        for (let i = 0; i < count; i++) floats.fill(means[i], 256 + 16 * i, 264 + 16 * i);
        for (let i = 0; i < count; i++) floats.fill(m2s[i], 264 + 16 * i, 272 + 16 * i);
        kernels.mergeMoments(1024, 64, 8, rows, shardSize, 0, count, 0, 8, 32_768, 32_800, 40_960);
        return Object.is(floats[8192], expected.mean) && Object.is(floats[8200], expected.m2);
      });
    }),
    { seed, numRuns: 300 },
  );
  t.comment(`arrival order changes ${byArrival} of ${cases}`);
  t.ok(byArrival > cases / 4);
  t.end();
});
