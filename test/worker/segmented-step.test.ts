import fc from 'fast-check';
import t from 'tap';
import { exchangePlaceOf } from '../../shared/model/memory-plan.ts';
import { coveringNodes } from '../../shared/reduction/tree.ts';
import { Recorder } from '../../worker/recorder.ts';
import { divideShards, SegmentedStep } from '../../worker/segmented-step.ts';
import type { WorkerMemory } from '../../worker/worker-memory.ts';
import { prepareCases } from '../helpers/simulation/recipes.ts';

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

const number = { step: 0, committed: 0 };

/** The partials of the first two shards in memory, merged. */
function partialOf({ training, memory }: WorkerMemory, step: SegmentedStep, exchange: number): Uint8Array {
  step.merge(number, exchange, [{ lo: 0, hi: 2 }]);
  const { floats } = training.model.exchanges[exchange].layout;
  return new Uint8Array(memory.buffer, exchangePlaceOf(training.plan).outbox, 4 * floats).slice();
}

for (const one of await prepareCases()) {
  t.test(
    `${one.name}: whoever takes shards over at any exchange computes what their first owner did`,
    (t) => {
      one.renew();
      const { memory, plan, architecture } = one.run;
      const flat = new Uint8Array(memory.buffer, plan.replicas[0].flat, 4 * architecture.flatSize);
      const replica = new Uint8Array(2 * flat.length);
      replica.set(flat);
      const start = () => {
        const own = one.borrow();
        // What was computed before is no help.
        new Uint8Array(own.memory.buffer, own.training.plan.replicas[1].flat).fill(0xff);
        t.equal(own.replicaChunk(0, 0, replica), true);
        own.enterStep(0);
        const recorder = new Recorder(own.memory, own.training.plan, 0, () => 0);
        return { own, step: new SegmentedStep(own.training, 0, 1, () => {}, recorder) };
      };
      const first = start();
      const exchanges = first.own.totalBytes.length;
      const totals: Uint8Array[] = [];
      for (let exchange = 0; exchange < exchanges; exchange++) {
        if (exchange === 0) first.step.begin(number, 0, [{ lo: 0, hi: 2 }]);
        else first.step.advance(exchange);
        const partial = partialOf(first.own, first.step, exchange);
        const next = start();
        for (const [i, total] of totals.entries()) next.own.writeTotal(i, total);
        next.step.begin(number, exchange, [{ lo: 0, hi: 2 }]);
        t.same(partialOf(next.own, next.step, exchange), partial, `exchange ${exchange}`);
        // Any finite total does for two shards.
        totals.push(partial);
        first.own.writeTotal(exchange, partial);
      }
      t.end();
    },
  );
}
