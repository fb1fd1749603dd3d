/** Merging partials of shards: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { holdEqual, kernelBuilds, newMemory, runOf, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

/** Slots of which a node over some is merged, columns `from … to` of a width. */
const merges = fc
  .record({
    panels: fc.integer({ min: 1, max: 6 }),
    slots: fc.integer({ min: 1, max: 37 }),
    gap: fc.nat(2),
  })
  .chain(({ panels, slots, gap }) => {
    const slot = fc.nat(slots - 1);
    const some = fc.tuple(slot, slot).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b) + 1]);
    return fc.record({
      width: fc.constant(16 * panels),
      slots: fc.constant(slots),
      gap: fc.constant(16 * gap),
      node: fc.oneof(fc.constant<[number, number]>([0, slots]), some),
      run: runOf(panels),
    });
  });

t.test('mergeSums: every build gives the twin’s bits and verdict for any node and run of columns', (t) => {
  const verdicts = holdEqual(
    t,
    builds,
    merges,
    ({ width, slots, gap, node: [lo, hi], run: [from, to] }, area) => {
      const stride = 4 * (width + gap);
      const at = area.take((slots * stride) / 4);
      const out = area.take(to - from);
      const { stack } = area;
      return (kernels) => kernels.mergeSums(at, stride, lo, hi, from, to, out, stack);
    },
  );
  t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
  t.end();
});

t.test(
  'mergeMoments: every build gives the twin’s bits and verdict, both halves or one, a short last shard',
  (t) => {
    const options = {
      shardSize: fc.integer({ min: 1, max: 70 }),
      short: fc.nat(69),
      halves: fc.constantFrom('both', 'mean', 'm2'),
    };
    const verdicts = holdEqual(
      t,
      builds,
      fc.record({ merge: merges, ...options }),
      ({ merge, shardSize, short, halves }, area) => {
        const { width, slots, gap, node, run } = merge;
        const [lo, hi] = node;
        const [from, to] = run;
        const stride = 4 * (2 * width + gap);
        const rows = slots * shardSize - (short % shardSize);
        const at = area.take((slots * stride) / 4);
        const mean = halves === 'm2' ? 0 : area.take(to - from);
        const m2 = halves === 'mean' ? 0 : area.take(to - from);
        const { stack } = area;
        return (kernels) =>
          kernels.mergeMoments(at, stride, width, rows, shardSize, lo, hi, from, to, mean, m2, stack);
      },
    );
    t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
    t.end();
  },
);

t.test(
  'one value that is not finite is noticed in any column and slot, and only where it was asked for',
  (t) => {
    const [slots, width, stride, out, stack] = [5, 32, 256, 8192, 65_536];
    const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number;
    for (const { name, instantiate } of builds) {
      const memory = newMemory(3);
      const floats = new Float32Array(memory.buffer);
      const kernels = instantiate(memory);
      const counts = { found: 0, missed: 0, invented: 0 };
      const judge = (verdict: number, isBad: boolean): void => {
        if (verdict === (isBad ? 1 : 0)) counts.found++;
        else counts[isBad ? 'missed' : 'invented']++;
      };
      for (let column = 0; column < width; column++) {
        for (const [i, bad] of [nan, infinity, minusInfinity].entries()) {
          floats.fill(1, 16, (64 + slots * stride) / 4);
          const slot = (column + i) % slots;
          const isUpper = column >= 16;
          floats[16 + (slot * stride) / 4 + column] = bad;
          const sums = (lo: number, hi: number, from: number) =>
            kernels.mergeSums(64, stride, lo, hi, from, from + 16, out, stack);
          judge(sums(0, slots, isUpper ? 16 : 0), true);
          judge(sums(0, slots, isUpper ? 0 : 16), false);
          judge(sums(slot, slot + 1, isUpper ? 16 : 0), true);
          if (slot > 0) judge(sums(0, slot, isUpper ? 16 : 0), false);
          // The column is a mean, or an M2 if the slots begin 16 columns later; whatever half is written.
          for (const [mean, m2] of [
            [out, out + 64],
            [out, 0],
            [0, out],
          ]) {
            judge(kernels.mergeMoments(64, stride, 16, 20, 4, 0, slots, 0, 16, mean, m2, stack), true);
            floats[16 + (slot * stride) / 4 + column] = 3e38 * (i - 1);
            // Distances that are too large overflow when they are squared, but not in one slot.
            judge(kernels.mergeMoments(64, stride, 16, 20, 4, slot, slot + 1, 0, 16, mean, m2, stack), false);
            floats[16 + (slot * stride) / 4 + column] = bad;
          }
        }
      }
      t.same([counts.missed, counts.invented], [0, 0], `${name}: ${counts.found} verdicts`);
      floats.fill(3e38, 16, (64 + slots * stride) / 4);
      t.equal(kernels.mergeSums(64, stride, 0, 2, 0, 16, out, stack), 1, `${name}: a sum that overflows`);
    }
    t.end();
  },
);
