/** A gradient that ranks exchange by slices is the one that a single process merges, to the bit. */
import fc from 'fast-check';
import t from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { instantiateKernels, loadKernels, runnableKernels } from '../../../shared/kernels/load.ts';
import { type Moments, mergeTwo } from '../../../shared/kernels/twin/merging.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import type { SharedMemory } from '../../../shared/kernels/webassembly.ts';
import type { PartialLayout } from '../../../shared/reduction/partial.ts';
import { planRedistribution } from '../../../shared/reduction/redistribution.ts';
import { newSpan } from '../../../shared/reduction/span.ts';
import { foldTree, type TreeNode } from '../../../shared/reduction/tree.ts';
import type { Blocks } from '../../../worker/mpi/calls.ts';
import { listsOf, planSlices, Tables } from '../../../worker/mpi/slices.ts';
import { newMemory, seed } from '../../helpers/kernels.ts';
import { drawFloats, isNaNWord, randomWords } from '../../helpers/values.ts';

const sets = [
  ['twin', (memory: SharedMemory) => twinKernels(memory)],
  ...runnableKernels().map(
    (set) => [set, (memory: SharedMemory) => instantiateKernels(loadKernels(set), memory)] as const,
  ),
] as const;

/** Floats at the end of a vector that stay with their owner. */
const unsent = 16;

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

/** A rank with a memory of its own, and its part of an exchange. */
function newRank(one: Case, rank: number, bind: (memory: SharedMemory) => Kernels) {
  const { layout, shardSize, rows, ranks: count, threads, chunkFloats } = one;
  const shardCount = Math.ceil(rows / shardSize);
  const ranks = { rank, count };
  const plan = planRedistribution({ layout, shardCount, ranks, chunkFloats });
  let end = 65_536;
  const take = (bytes: number) => {
    const at = end;
    end += Math.ceil(bytes / 64) * 64;
    return at;
  };
  const vector = 4 * layout.floats;
  // Nothing lies below where the slots of a whole vector would begin.
  take(vector);
  const below = take(plan.belowBytes);
  const total = take(vector);
  const others = plan.nodes[rank].slice(1).map(() => take(vector));
  const vectors = plan.nodes[rank].length === 0 ? [] : [total, ...others];
  const above = take(plan.aboveBytes);
  const tables = Array.from({ length: threads }, () => take(8 * count * listsOf(plan)));
  const stack = take(65_536);
  const memory = newMemory(Math.ceil(end / 65_536));
  const kernels = bind(memory);
  const chunks = tables.map((at, thread) =>
    planSlices(
      plan,
      { ranks, below, above, vectors, total, seen: null, requests: 0 },
      { kernels, stack, layout, gathered: layout.floats - unsent, shardCount, thread, threads },
      new Tables(memory, at, 8 * count * listsOf(plan)),
    ),
  );
  const bytes = new Uint8Array(memory.buffer);
  const integers = new Int32Array(memory.buffer);
  return {
    plan,
    vectors,
    total,
    chunks,
    floats: new Float32Array(memory.buffer),
    /** The block for, or from, a rank. */
    block: ({ buffer, counts, displacements }: Blocks, other: number) => {
      const at = buffer + integers[displacements / 4 + other];
      return bytes.subarray(at, at + integers[counts / 4 + other]);
    },
  };
}

/** The total that each rank has after the exchange, with copies in the place of messages. */
function exchanged(one: Case, partials: readonly Float32Array[], bind: (memory: SharedMemory) => Kernels) {
  const { layout, shardSize, rows } = one;
  const span = Object.assign(newSpan(shardSize), { rows, shardCount: Math.ceil(rows / shardSize) });
  const ranks = Array.from({ length: one.ranks }, (_, rank) => newRank(one, rank, bind));
  for (const [rank, { plan, vectors, floats }] of ranks.entries()) {
    for (const [k, node] of plan.nodes[rank].entries()) {
      floats.set(folded(one, partials, node), vectors[k] / 4);
    }
  }
  const copy = (from: Uint8Array, to: Uint8Array) => {
    if (from.length !== to.length) throw new Error('what is sent is not what is expected');
    to.set(from);
  };
  for (let i = 0; i < ranks[0].plan.chunks.length; i++) {
    const of = (rank: number) => ranks[rank].chunks[0][i];
    for (let from = 0; from < ranks.length; from++) {
      for (let to = 0; to < ranks.length; to++) {
        for (const [turn, { send }] of of(from).crossings.entries()) {
          copy(ranks[from].block(send, to), ranks[to].block(of(to).crossings[turn].receive, from));
        }
      }
    }
    for (const { chunks, total } of ranks) for (const thread of chunks) thread[i].merger.merge(span, total);
    for (let from = 0; from < ranks.length; from++) {
      for (let to = 0; to < ranks.length; to++) {
        const block = (rank: number) => ({ ...of(rank).back, buffer: ranks[rank].total });
        copy(ranks[from].block(block(from), from), ranks[to].block(block(to), from));
      }
    }
  }
  return ranks.map(({ floats, total }) => floats.slice(total / 4, total / 4 + layout.floats - unsent));
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
        const whole = folded(one, partials, { lo: 0, hi: shardCount });
        const expected = whole.subarray(0, one.layout.floats - unsent);
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
