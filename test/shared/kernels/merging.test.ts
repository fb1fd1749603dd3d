/** Merging partials of shards: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { holdEqual, kernelBuilds, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

/** Slots of which a node over some is merged, columns `from … to` of a width. */
const merges = fc
  .record({
    panels: fc.integer({ min: 1, max: 4 }),
    slots: fc.integer({ min: 1, max: 37 }),
    gap: fc.nat(2),
  })
  .chain(({ panels, slots, gap }) =>
    fc.record({
      width: fc.constant(8 * panels),
      slots: fc.constant(slots),
      gap: fc.constant(8 * gap),
      node: fc
        .tuple(fc.nat(slots - 1), fc.nat(slots - 1))
        .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b) + 1]),
      run: fc
        .tuple(fc.nat(panels - 1), fc.nat(panels - 1))
        .map(([a, b]): [number, number] => [8 * Math.min(a, b), 8 * (Math.max(a, b) + 1)]),
    }),
  );

t.test('mergeSums: every build gives the twin’s bits for any node and run of columns', (t) => {
  holdEqual(t, builds, merges, ({ width, slots, gap, node: [lo, hi], run: [from, to] }, area) => {
    const stride = 4 * (width + gap);
    const at = area.take((slots * stride) / 4);
    const out = area.take(to - from);
    const stack = area.takeStack();
    return (kernels) => kernels.mergeSums(at, stride, lo, hi, from, to, out, stack);
  });
  t.end();
});

t.test('mergeMoments: every build gives the twin’s bits, both halves or one, a short last shard', (t) => {
  const options = {
    shardSize: fc.integer({ min: 1, max: 70 }),
    short: fc.nat(69),
    halves: fc.constantFrom('both', 'mean', 'm2'),
  };
  holdEqual(
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
      const stack = area.takeStack();
      return (kernels) =>
        kernels.mergeMoments(at, stride, width, rows, shardSize, lo, hi, from, to, mean, m2, stack);
    },
  );
  t.end();
});
