/** Which shards, nodes and slices are whose. */
import fc from 'fast-check';
import t from 'tap';
import { cutVector, mergeSteps, nodesByRank, shareOf } from '../../../shared/reduction/ranks.ts';
import { foldTree } from '../../../shared/reduction/tree.ts';
import { seed } from '../../helpers/kernels.ts';

const sizes = fc.record({
  shardCount: fc.integer({ min: 1, max: 70 }),
  count: fc.integer({ min: 1, max: 20 }),
});

t.test(
  'every shard is the share of one rank, shares differ by one shard at most, and rank 0 has one',
  (t) => {
    fc.assert(
      fc.property(sizes, ({ shardCount, count }) => {
        const shares = Array.from({ length: count }, (_, rank) => shareOf(shardCount, { rank, count }));
        let next = 0;
        for (const { lo, hi } of shares) {
          if (lo !== next) return false;
          next = hi;
        }
        const lengths = shares.map(({ lo, hi }) => hi - lo);
        return next === shardCount && Math.max(...lengths) - Math.min(...lengths) <= 1 && lengths[0] > 0;
      }),
      { seed },
    );
    t.end();
  },
);

t.test('merging the nodes of all ranks is the fold by the tree, in its order', (t) => {
  fc.assert(
    fc.property(sizes, ({ shardCount, count }) => {
      const text = (lo: number, hi: number) =>
        foldTree(
          lo,
          hi,
          (shard) => `${shard}`,
          (left, right) => `(${left}+${right})`,
        );
      const nodes = nodesByRank(shardCount, count).flat();
      const slots = nodes.map(({ lo, hi }) => text(lo, hi));
      for (const { node, left, right } of mergeSteps(nodes, shardCount)) {
        slots[left] = `(${slots[left]}+${slots[right]})`;
        if (slots[left] !== text(node.lo, node.hi) || left >= right) return false;
      }
      return slots[0] === text(0, shardCount);
    }),
    { seed },
  );
  t.end();
});

t.test('powers of two that divide the shards make one node a rank', (t) => {
  for (const count of [1, 2, 4, 8]) {
    t.same(
      nodesByRank(16, count).map((nodes) => nodes.length),
      Array.from({ length: count }, () => 1),
    );
  }
  t.same(
    nodesByRank(2, 4),
    [[{ lo: 0, hi: 1 }], [], [{ lo: 1, hi: 2 }], []],
    'or none, where shards are few',
  );
  t.end();
});

t.test('cuts are in order, between means and M2s of nobody, and nearly even', (t) => {
  const layouts = fc
    .record({
      areas: fc.array(
        fc.record({ before: fc.integer({ min: 0, max: 90 }), width: fc.integer({ min: 1, max: 40 }) }),
        { maxLength: 4 },
      ),
      rest: fc.integer({ min: 1, max: 400 }),
      parts: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ areas, rest, parts }) => {
      let floats = 0;
      const moments = areas.map(({ before, width }) => {
        const mean = floats + 16 * before;
        floats = mean + 32 * width;
        return { mean, m2: mean + 16 * width, width: 16 * width };
      });
      return { layout: { floats: floats + 16 * rest, moments }, parts };
    });
  fc.assert(
    fc.property(layouts, ({ layout, parts }) => {
      const cuts = cutVector(layout, 0, layout.floats, parts);
      const isOrdered = cuts.every((cut, i) => i === 0 || cut >= cuts[i - 1]);
      const isWhole = cuts.every(
        (cut) => !layout.moments.some(({ mean, m2, width }) => mean < cut && cut < m2 + width),
      );
      const widest = Math.max(0, ...layout.moments.map(({ width }) => 2 * width));
      const isEven = cuts.every(
        (cut, i) => Math.abs(cut - (layout.floats * i) / parts) <= Math.max(128, widest + 128),
      );
      return (
        cuts.length === parts + 1 &&
        cuts[0] === 0 &&
        cuts[parts] === layout.floats &&
        isOrdered &&
        isWhole &&
        isEven
      );
    }),
    { seed },
  );
  t.end();
});
