import fc from 'fast-check';
import t from 'tap';
import { coveringNodes } from '../../shared/reduction/tree.ts';
import { divideShards } from '../../worker/segmented-step.ts';

t.test(
  'threads share the shards of any nodes: each one once, as equal as can be, in runs that do not touch',
  (t) => {
    const node = fc.tuple(fc.nat(12), fc.nat(12), fc.integer({ min: 13, max: 24 }));
    fc.assert(
      fc.property(fc.array(node, { maxLength: 3 }), fc.integer({ min: 1, max: 7 }), (cuts, size) => {
        // Nodes of neighbouring trees do not overlap.
        const nodes = cuts.flatMap(([a, b, count], i) => {
          const [lo, hi] = [Math.min(a, b), Math.max(a, b)];
          return coveringNodes(lo, hi, count).map((one) => ({ lo: one.lo + 100 * i, hi: one.hi + 100 * i }));
        });
        const all = nodes.flatMap(({ lo, hi }) => Array.from({ length: hi - lo }, (_, i) => lo + i));
        const parts = Array.from({ length: size }, (_, rank) => divideShards(nodes, rank, size));
        const counts = parts.map((runs) => runs.reduce((sum, [first, end]) => sum + end - first, 0));
        const got = parts.flatMap((runs) =>
          runs.flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i)),
        );
        for (const runs of parts) {
          if (runs.some(([first], i) => i > 0 && runs[i - 1][1] === first)) return false;
        }
        return JSON.stringify(got) === JSON.stringify(all) && Math.max(...counts) - Math.min(...counts) <= 1;
      }),
      { seed: 20261123, numRuns: 2000 },
    );
    t.end();
  },
);
