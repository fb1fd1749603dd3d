/** Merging partials pair by pair against the slow twin, which merges all shards at once. */
import fc from 'fast-check';
import t from 'tap';
import { type Batch, Merger, mergerBytes } from '../../coordinator/merger.ts';
import { loadKernels, runnableKernels } from '../../shared/kernels/load.ts';
import { newScratch, type Scratch } from '../../shared/kernels/scratch.ts';
import { type Moments, mergeTwo } from '../../shared/kernels/twin/merging.ts';
import { twinKernels } from '../../shared/kernels/twin/twin.ts';
import type { PartialLayout } from '../../shared/reduction/partial.ts';
import { foldTree } from '../../shared/reduction/tree.ts';
import { newMemory, seed } from '../helpers/kernels.ts';
import { drawFloats, isNaNWord, type Kind, randomWords } from '../helpers/values.ts';

t.comment(`fast-check seed ${seed}`);

const scratches: (readonly [name: string, scratch: () => Scratch])[] = [
  ['twin', () => twinScratch()],
  ...runnableKernels().map((set) => [set, () => newScratch(loadKernels(set), mergerBytes)] as const),
];

function twinScratch(): Scratch {
  const memory = newMemory(Math.ceil(mergerBytes / 65_536));
  return { buffer: memory.buffer, kernels: twinKernels(memory) };
}

interface Case {
  readonly layout: PartialLayout;
  readonly batch: Batch;
  readonly partials: readonly Float32Array[];
}

/** Areas of sums, mean, sums, M2, …: sizes about those of a block and of a vector. */
const size = fc.oneof(fc.nat(40), fc.constantFrom(1023, 1024, 1025, 2047, 2048, 2049), fc.nat(5000));
const cases: fc.Arbitrary<Case> = fc
  .record({
    areas: fc.array(fc.record({ width: size, before: size, between: size, isTurned: fc.boolean() }), {
      maxLength: 3,
    }),
    rest: size,
    shards: fc.integer({ min: 2, max: 21 }),
    shardSize: fc.integer({ min: 1, max: 70 }),
    short: fc.nat(69),
    start: fc.nat(),
    kind: fc.constantFrom<Kind>('mild', 'mild', 'wild', 'hostile'),
  })
  .map(({ areas, rest, shards, shardSize, short, start, kind }) => {
    let floats = 0;
    const take = (count: number): number => {
      floats += count;
      return floats - count;
    };
    const moments = areas.map(({ width, before, between, isTurned }) => {
      take(before);
      const first = take(width);
      take(between);
      const second = take(width);
      return isTurned ? { mean: second, m2: first, width } : { mean: first, m2: second, width };
    });
    take(rest);
    const random = randomWords(start);
    return {
      layout: { floats, moments },
      batch: { rows: shards * shardSize - (short % shardSize), shardSize },
      partials: Array.from({ length: shards }, () => drawFloats(floats, random, kind)),
    };
  });

/** The total of all shards by the twin, float by float, and whether it is finite. */
function expectedTotal({ layout, batch, partials }: Case): { values: Float32Array; isFinite: boolean } {
  const { rows, shardSize } = batch;
  const fold = <T>(leaf: (shard: number) => T, merge: (left: T, right: T) => T): T =>
    foldTree(0, partials.length, leaf, merge);
  const values = Float32Array.from({ length: layout.floats }, (_, i) =>
    fold(
      (shard) => partials[shard][i],
      (left, right) => Math.fround(left + right),
    ),
  );
  for (const { mean, m2, width } of layout.moments) {
    for (let i = 0; i < width; i++) {
      const leaf = (shard: number): Moments => ({
        count: Math.min((shard + 1) * shardSize, rows) - shard * shardSize,
        mean: partials[shard][mean + i],
        m2: partials[shard][m2 + i],
      });
      const total = fold(leaf, mergeTwo);
      values[mean + i] = total.mean;
      values[m2 + i] = total.m2;
    }
  }
  return { values, isFinite: values.every(Number.isFinite) };
}

/** The first float whose bits differ, or null; bits of NaN are not compared. */
function difference(a: Float32Array, b: Float32Array): string | null {
  const [x, y] = [a, b].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const i = x.findIndex((word, i) => word !== y[i] && !(isNaNWord(word) && isNaNWord(y[i])));
  return i < 0 && a.length === b.length ? null : `float ${i}: ${a[i]}, expected ${b[i]}`;
}

for (const [name, newScratchOf] of scratches) {
  t.test(`${name}: pairs merged by the tree give the bits and verdict of all shards merged at once`, (t) => {
    const verdicts = { true: 0, false: 0 };
    fc.assert(
      fc.property(cases, (one) => {
        const { layout, batch, partials } = one;
        const merger = new Merger(layout, newScratchOf());
        const before = partials.map((partial) => partial.slice());
        const shards = partials.map((values, lo) => ({ values, isFinite: true, lo, hi: lo + 1 }));
        const total = foldTree(
          0,
          partials.length,
          (shard) => shards[shard],
          (left, right) => {
            const node = { lo: left.lo, hi: right.hi };
            const merged = merger.merge(left.values, right.values, node, batch);
            for (const child of [left, right]) if (child.hi - child.lo > 1) merger.recycle(child.values);
            return { ...merged, ...node };
          },
        );
        const expected = expectedTotal(one);
        const wrong = difference(total.values, expected.values);
        if (wrong !== null) throw new Error(wrong);
        if (total.isFinite !== expected.isFinite) throw new Error(`isFinite ${total.isFinite}`);
        verdicts[`${total.isFinite}`]++;
        const touched = partials.findIndex((partial, shard) => difference(partial, before[shard]) !== null);
        if (touched >= 0) throw new Error(`partial ${touched} was changed`);
      }),
      { seed, numRuns: name === 'twin' ? 20 : 60 },
    );
    t.ok(verdicts.true > 0 && verdicts.false > 0, `finite ${verdicts.true}, not finite ${verdicts.false}`);
    t.end();
  });
}

t.test(
  'one value that is not finite is noticed wherever it stands, and a partial before leaves nothing',
  (t) => {
    const layout = { floats: 5000, moments: [{ mean: 2100, m2: 3200, width: 1050 }] };
    const merger = new Merger(layout, newScratch(loadKernels('auto'), mergerBytes));
    const [left, right] = [new Float32Array(5000).fill(1), new Float32Array(5000).fill(2)];
    const verdict = () => merger.merge(left, right, { lo: 0, hi: 2 }, { rows: 4, shardSize: 2 }).isFinite;
    let missed = 0;
    let invented = 0;
    for (const values of [left, right]) {
      for (let i = 0; i < values.length; i += 7) {
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const was = values[i];
          values[i] = bad;
          if (verdict()) missed++;
          values[i] = was;
        }
        if (!verdict()) invented++;
      }
    }
    t.same({ missed, invented }, { missed: 0, invented: 0 });
    left.fill(3e38, 2100, 3150);
    right.fill(3e38, 2100, 3150);
    t.ok(verdict(), 'large means do not overflow: they are not summed');
    left.fill(3e38, 3150, 3151);
    right.fill(3e38, 3150, 3151);
    t.notOk(verdict(), 'large sums do');
    t.end();
  },
);

t.test('what a merge leaves in scratch is not found by the next one', (t) => {
  const layout = { floats: 90, moments: [{ mean: 10, m2: 50, width: 40 }] };
  const merger = new Merger(layout, newScratch(loadKernels('auto'), mergerBytes));
  const ones = new Float32Array(90).fill(1);
  const verdict = (left: Float32Array) =>
    merger.merge(left, ones, { lo: 0, hi: 2 }, { rows: 4, shardSize: 2 }).isFinite;
  for (let i = 10; i < 90; i++) {
    t.same([verdict(ones.with(i, Number.NaN)), verdict(ones)], [false, true], `float ${i}`);
  }
  t.end();
});

t.test('a result that was given back is used again, one that was not stays', (t) => {
  const merger = new Merger({ floats: 40, moments: [] }, newScratch(loadKernels('auto'), mergerBytes));
  const [left, right] = [new Float32Array(40).fill(1), new Float32Array(40).fill(2)];
  const merge = () => merger.merge(left, right, { lo: 0, hi: 2 }, { rows: 2, shardSize: 1 }).values;
  const first = merge();
  right.fill(3);
  const second = merge();
  t.not(second, first);
  t.same([first[39], second[39]], [3, 4]);
  merger.recycle(first);
  right.fill(4);
  t.equal(merge(), first);
  t.same([first[39], second[39]], [5, 4]);
  t.end();
});
