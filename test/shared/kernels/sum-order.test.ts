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

/** Where values lie: a row or a slot apart, in column 3 of a panel. */
const [terms, ones, out, rule, sum, stack] = [1024, 16_384, 32_768, 36_864, 36_928, 65_536];

function putColumn(floats: Float32Array, values: readonly number[]): void {
  for (const [row, value] of values.entries()) floats[terms / 4 + 16 * row + 3] = value;
}

/** One sum in which every shard is a single value, by each kernel that sums across shards. */
const sums: Record<string, (kernels: Kernels, floats: Float32Array, values: readonly number[]) => number> = {
  // The values are dY; x is 1 in all its eight columns.
  denseWeightGradient(kernels, floats, values) {
    putColumn(floats, values);
    floats.fill(1, ones / 4, ones / 4 + 16 * values.length);
    const shards = values.length;
    const stride = 64 * shards;
    kernels.denseWeightGradient(ones, stride, terms, stride, shards, 1, 0, shards, 8, 16, 0, 128, out, stack);
    return floats[out / 4 + 7 * 16 + 3];
  },
  // A weight of −0 less −1 times the gradient: the gradient, but for the sign of 0, which a sum from +0 has not.
  denseWeightUpdate(kernels, floats, values) {
    putColumn(floats, values);
    floats.fill(1, ones / 4, ones / 4 + 16 * values.length);
    floats.fill(-0, out / 4, out / 4 + 128);
    floats.set([-1, 0, 0, 0], rule / 4);
    const stride = 64 * values.length;
    const [x, dy, rows, next] = [ones, terms, values.length, out + 1024];
    kernels.denseWeightUpdate(
      x,
      stride,
      dy,
      stride,
      rows,
      1,
      8,
      16,
      0,
      128,
      out,
      0,
      next,
      0,
      rule,
      stack,
      0,
      sum,
    );
    return floats[next / 4 + 7 * 16 + 3];
  },
  columnSums(kernels, floats, values) {
    putColumn(floats, values);
    const shards = values.length;
    kernels.columnSums(terms, 64 * shards, shards, 1, 0, shards, 0, 16, out, stack);
    return floats[out / 4 + 3];
  },
  mergeSums(kernels, floats, values) {
    putColumn(floats, values);
    kernels.mergeSums(terms, 64, 0, values.length, 0, 16, out, stack);
    return floats[out / 4 + 3];
  },
};

const builds = kernelBuilds(t).map(({ name, instantiate }) => {
  const memory = newMemory(3);
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

  t.test(`${name}: every number of shards from 1 to 70 merges by the tree`, (t) => {
    const wrong = [];
    for (let count = 1; count <= 70; count++) {
      const values = [...drawFloats(count, randomWords(count), 'mild')];
      const inShards = name === 'mergeSums' ? values : values.map((value) => f(0 + value));
      const expected = mergePairwise(inShards, add);
      for (const { name, kernels, floats } of builds) {
        if (!Object.is(sum(kernels, floats, values), expected)) wrong.push(`${name}: ${count}`);
      }
    }
    t.same(wrong, []);
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
    for (const [row, value] of values.entries()) {
      floats.fill(value, terms / 4 + 16 * row, terms / 4 + 16 * row + 16);
    }
    kernels.columnSums(terms, 384, 6, 4, 0, 2, 0, 16, out, stack);
    // (((1 + 2²⁴) − 2²⁴) + 1) + (1 + 1), where 1 + 2²⁴ is 2²⁴.
    t.same([...floats.slice(out / 4, out / 4 + 16)], Array(16).fill(3), name);
    floats.fill(1, ones / 4, ones / 4 + 16 * 6);
    kernels.denseWeightGradient(ones, 384, terms, 384, 6, 4, 0, 2, 16, 16, 0, 256, out, stack);
    t.same([...floats.slice(out / 4, out / 4 + 256)], Array(256).fill(3), `${name}: a gradient`);
    floats.fill(-0, terms / 4, terms / 4 + 16);
    kernels.columnSums(terms, 384, 1, 4, 0, 1, 0, 16, out, stack);
    t.ok(Object.is(floats[out / 4], 0), `${name}: +0 + −0 is +0`);
    kernels.denseWeightGradient(ones, 384, terms, 384, 1, 4, 0, 1, 16, 16, 0, 256, out, stack);
    t.ok(Object.is(floats[out / 4], 0), `${name}: and in a gradient`);
  }
  t.end();
});

t.test('a product begins with the bias and takes its terms in order, over panels of x too', (t) => {
  const depth = 35;
  for (const { name, kernels, floats } of builds) {
    const [x, w, bias, y] = [terms, 4096, 16_384, 32_768];
    let wrong = 0;
    for (let start = 0; start < 20; start++) {
      const values = drawFloats(48, randomWords(start), 'mild');
      for (const [k, value] of values.entries()) floats[x / 4 + 16 * Math.floor(k / 16) + (k % 16)] = value;
      const weights = drawFloats(16 * depth, randomWords(start + 100), 'mild');
      floats.set(weights, w / 4);
      floats.set(weights.subarray(100, 116), bias / 4);
      kernels.dense(x, 64, w, bias, y, 64, 1, depth, 16);
      for (let o = 0; o < 16; o++) {
        let sum = weights[100 + o];
        for (let k = 0; k < depth; k++) sum = exactFma(values[k], weights[16 * k + o], sum);
        if (!Object.is(floats[y / 4 + o], sum)) wrong++;
      }
    }
    t.equal(wrong, 0, name);
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
        for (let i = 0; i < count; i++) {
          const slot = terms / 4 + 32 * i;
          floats.fill(means[i], slot, slot + 16);
          floats.fill(m2s[i], slot + 16, slot + 32);
        }
        kernels.mergeMoments(terms, 128, 16, rows, shardSize, 0, count, 0, 16, out, out + 64, stack);
        const got = [floats[out / 4], floats[out / 4 + 15], floats[out / 4 + 16], floats[out / 4 + 31]];
        return [expected.mean, expected.mean, expected.m2, expected.m2].every((value, i) =>
          Object.is(got[i], value),
        );
      });
    }),
    { seed, numRuns: 300 },
  );
  t.comment(`arrival order changes ${byArrival} of ${cases}`);
  t.ok(byArrival > cases / 4);
  t.end();
});
