/** A gradient that ranks exchange by slices is the one that a single process merges, to the bit. */
import fc from 'fast-check';
import t from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { instantiateKernels, loadKernels, runnableKernels } from '../../../shared/kernels/load.ts';
import { type Moments, mergeTwo } from '../../../shared/kernels/twin/merging.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import type { PartialLayout } from '../../../shared/reduction/partial.ts';
import { planRedistribution } from '../../../shared/reduction/redistribution.ts';
import { newSpan } from '../../../shared/reduction/span.ts';
import { foldTree, type TreeNode } from '../../../shared/reduction/tree.ts';
import { partOfSlice, SliceMerger } from '../../../worker/mpi/slice-merger.ts';
import { newMemory, seed } from '../../helpers/kernels.ts';
import { drawFloats, isNaNWord, randomWords } from '../../helpers/values.ts';

const sets = [
  ['twin', (memory: Parameters<typeof twinKernels>[0]) => twinKernels(memory)],
  ...runnableKernels().map(
    (set) =>
      [
        set,
        (memory: Parameters<typeof twinKernels>[0]) => instantiateKernels(loadKernels(set), memory),
      ] as const,
  ),
] as const;

interface Case {
  readonly layout: PartialLayout;
  readonly shardSize: number;
  readonly rows: number;
  readonly ranks: number;
  readonly threads: number;
  readonly chunkFloats: number;
  readonly start: number;
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    before: fc.integer({ min: 0, max: 40 }),
    width: fc.integer({ min: 0, max: 20 }),
    rest: fc.integer({ min: 1, max: 60 }),
    shards: fc.integer({ min: 1, max: 13 }),
    shardSize: fc.integer({ min: 1, max: 20 }),
    short: fc.nat(19),
    ranks: fc.integer({ min: 1, max: 7 }),
    threads: fc.integer({ min: 1, max: 3 }),
    chunkFloats: fc.constantFrom(300, 1000, 10_000),
    start: fc.nat(),
  })
  .map(({ before, width, rest, shards, shardSize, short, ...others }) => {
    const mean = 16 * before;
    const moments = width === 0 ? [] : [{ mean, m2: mean + 16 * width, width: 16 * width }];
    const layout = { floats: mean + 32 * width + 16 * rest, moments };
    return { layout, shardSize, rows: shards * shardSize - (short % shardSize), ...others };
  });

/** What one process makes of the partials of nodes: the fold by the tree, float by float. */
function folded({ layout, shardSize, rows }: Case, partials: readonly Float32Array[], node: TreeNode) {
  const out = new Float32Array(layout.floats);
  const sum = (at: number) =>
    foldTree(
      node.lo,
      node.hi,
      (shard) => partials[shard][at],
      (left, right) => Math.fround(left + right),
    );
  for (let at = 0; at < layout.floats; at++) out[at] = sum(at);
  for (const { mean, m2, width } of layout.moments) {
    for (let column = 0; column < width; column++) {
      const leaf = (shard: number): Moments => ({
        count: Math.min((shard + 1) * shardSize, rows) - shard * shardSize,
        mean: partials[shard][mean + column],
        m2: partials[shard][m2 + column],
      });
      const total = foldTree(node.lo, node.hi, leaf, mergeTwo);
      out[mean + column] = total.mean;
      out[m2 + column] = total.m2;
    }
  }
  return out;
}

/** The total that each rank has after the exchange, with copies in the place of messages. */
function exchanged(
  one: Case,
  partials: readonly Float32Array[],
  bind: (memory: ReturnType<typeof newMemory>) => Kernels,
) {
  const { layout, shardSize, rows, ranks, threads, chunkFloats } = one;
  const shardCount = Math.ceil(rows / shardSize);
  const plans = Array.from({ length: ranks }, (_, rank) =>
    planRedistribution({ layout, shardCount, ranks: { rank, count: ranks }, chunkFloats, noteBytes: 64 }),
  );
  // The total first: nothing lies below where the slots of a whole vector would begin.
  const at = plans.map(({ outboxBytes, inboxBytes }) => {
    const total = 65_536 + 4 * layout.floats;
    const outbox = total + 4 * layout.floats;
    const inbox = outbox + outboxBytes;
    const stack = inbox + inboxBytes;
    return { total, outbox, inbox, stack, bytes: stack + 65_536 };
  });
  const memories = at.map(({ bytes }) => newMemory(Math.ceil(bytes / 65_536)));
  const floatsOf = (rank: number) => new Float32Array(memories[rank].buffer);
  const span = Object.assign(newSpan(shardSize), { rows, shardCount });
  for (const [rank, plan] of plans.entries()) {
    for (const { cuts, send, receive } of plan.chunks) {
      for (const [k, node] of plan.nodes[rank].entries()) {
        const values = folded(one, partials, node);
        for (let slice = 0; slice < ranks; slice++) {
          const block =
            slice === rank
              ? at[rank].inbox + receive.displacements[rank]
              : at[rank].outbox + send.displacements[slice];
          const bytes = 4 * (cuts[slice + 1] - cuts[slice]);
          floatsOf(rank).set(values.subarray(cuts[slice], cuts[slice + 1]), (block + k * bytes) / 4);
        }
      }
    }
  }
  const copy = (from: number, source: number, to: number, target: number, bytes: number) =>
    new Uint8Array(memories[to].buffer, target, bytes).set(
      new Uint8Array(memories[from].buffer, source, bytes),
    );
  for (const [i] of plans[0].chunks.entries()) {
    for (let from = 0; from < ranks; from++) {
      for (let to = 0; to < ranks; to++) {
        const { send } = plans[from].chunks[i];
        const { receive } = plans[to].chunks[i];
        if (send.counts[to] !== receive.counts[from]) throw new Error('what is sent is not what is expected');
        copy(
          from,
          at[from].outbox + send.displacements[to],
          to,
          at[to].inbox + receive.displacements[from],
          send.counts[to],
        );
      }
    }
    for (const [rank, plan] of plans.entries()) {
      const { cuts, receive } = plan.chunks[i];
      const slice = { from: cuts[rank], to: cuts[rank + 1] };
      const slots = plan.nodes.flatMap((nodes, from) =>
        nodes.map((_, k) => at[rank].inbox + receive.displacements[from] + 4 * k * (slice.to - slice.from)),
      );
      for (let thread = 0; thread < threads; thread++) {
        const merger = new SliceMerger(
          { kernels: bind(memories[rank]), stack: at[rank].stack },
          { nodes: plan.nodes.flat(), shardCount },
          slots,
          slice,
          partOfSlice(layout, slice, thread, threads),
        );
        merger.merge(span, at[rank].total);
      }
    }
    for (const [from, plan] of plans.entries()) {
      const { counts, displacements } = plan.chunks[i].back;
      for (let to = 0; to < ranks; to++) {
        const bytes = counts[from];
        copy(from, at[from].total + displacements[from], to, at[to].total + displacements[from], bytes);
      }
    }
  }
  return plans.map((_, rank) => floatsOf(rank).slice(at[rank].total / 4, at[rank].total / 4 + layout.floats));
}

for (const [name, bind] of sets) {
  t.test(`slices sent to their owners, merged and sent back are the fold by the tree (${name})`, (t) => {
    let parted = 0;
    fc.assert(
      fc.property(cases, (one) => {
        const shardCount = Math.ceil(one.rows / one.shardSize);
        const random = randomWords(one.start);
        const partials = Array.from({ length: shardCount }, () =>
          drawFloats(one.layout.floats, random, 'wild'),
        );
        const expected = folded(one, partials, { lo: 0, hi: shardCount });
        if (one.ranks > 1 && shardCount > one.ranks) parted += 1;
        return exchanged(one, partials, bind).every((total) => same(total, expected));
      }),
      { seed, numRuns: name === 'exact' ? 20 : 60 },
    );
    t.ok(parted > 5, `${parted} batches were parted`);
    t.end();
  });
}

/** Bit for bit; a NaN is as good as another. */
function same(got: Float32Array, expected: Float32Array): boolean {
  const [a, b] = [got, expected].map(
    ({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length),
  );
  return a.every((word, i) => word === b[i] || (isNaNWord(word) && isNaNWord(b[i])));
}
