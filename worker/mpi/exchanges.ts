/** The exchanges of a step among ranks, planned to the byte for one thread: what is computed where, and what is sent from there. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import { type RankPlace, redistributionOf, shardCountsOf } from '../../shared/model/rank-plan.ts';
import { gradientLayout, type Segment, segmentsOf, sliceUnit } from '../../shared/model/tensors.ts';
import type { PartialLayout } from '../../shared/reduction/partial.ts';
import { nodesByRank } from '../../shared/reduction/ranks.ts';
import type { BlockList, Chunk, Redistribution } from '../../shared/reduction/redistribution.ts';
import type { TreeNode } from '../../shared/reduction/tree.ts';
import type { Training } from '../../shared/training.ts';
import type { Blocks } from './calls.ts';
import { partOfSlice, SliceMerger } from './slice-merger.ts';

/** An exchange of batch normalisation: every rank gets the nodes of all. */
export interface Gather {
  /** Byte offsets of this rank's nodes among those of all. */
  readonly slots: readonly number[];
  readonly blocks: Blocks;
  readonly merger: SliceMerger;
}

/** A run of the gradient that travels at a time. */
export interface GradientChunk {
  /** By node of this rank: the parts that this thread sums, and where to. */
  readonly pieces: readonly (readonly Piece[])[];
  /** By node of this rank: where its losses go; null where that is not for this thread and chunk. */
  readonly losses: readonly number[] | null;
  readonly send: Blocks;
  readonly receive: Blocks;
  readonly back: Blocks;
  readonly requests: { readonly there: number; readonly back: number };
  /** Where a note to each other rank goes, in the first chunk. */
  readonly notesOut: readonly number[];
  /** By rank: where its note comes to, in the first chunk; null for this rank's own. */
  readonly notesIn: readonly (number | null)[];
  readonly merger: SliceMerger;
}

interface Piece {
  readonly segment: Segment;
  readonly at: number;
}

/** All exchanges of a step with so many shards. */
export interface BatchExchanges {
  /** The nodes of this rank. */
  readonly nodes: readonly TreeNode[];
  readonly gathers: readonly Gather[];
  readonly chunks: readonly GradientChunk[];
}

export interface ExchangesOptions {
  readonly training: Training;
  readonly memory: SharedMemory;
  readonly place: RankPlace;
  /** Of the threads over this memory. */
  readonly thread: number;
  readonly threads: number;
}

/** The exchanges by the number of shards of a batch. */
export function planExchanges(options: ExchangesOptions): ReadonlyMap<number, BatchExchanges> {
  const { training, memory, place, thread } = options;
  const tables = thread === 0 ? new Tables(memory, place) : null;
  const { sizes, model, architecture } = training;
  const gradient = gradientLayout(architecture.tensors);
  const shardCounts = shardCountsOf(sizes);
  return new Map(
    shardCounts.map((shardCount) => {
      const redistribution = redistributionOf({ ranks: place.ranks, gradient }, shardCount);
      const gathers = model.exchanges
        .slice(0, -1)
        .map(({ layout }) => planGather(options, layout, shardCount, tables));
      const chunks = redistribution.chunks.map((chunk, i) =>
        planChunk(options, { redistribution, chunk, i, gradient, shardCount }, tables),
      );
      return [shardCount, { nodes: redistribution.nodes[place.ranks.rank], gathers, chunks }];
    }),
  );
}

function planGather(
  { training, place, thread }: ExchangesOptions,
  layout: PartialLayout,
  shardCount: number,
  tables: Tables | null,
): Gather {
  const { rank, count } = place.ranks;
  const nodes = nodesByRank(shardCount, count);
  const bytes = 4 * layout.floats;
  const counts = nodes.map((own) => own.length * bytes);
  const displacements = startsOf(counts);
  const all = nodes.flat();
  const whole = { from: 0, to: layout.floats };
  return {
    slots: nodes[rank].map((_, k) => place.nodes + displacements[rank] + k * bytes),
    blocks: blocksAt(tables, place.nodes, { counts, displacements }),
    merger: new SliceMerger(
      { kernels: training.kernels, stack: training.plan.threads[thread].stack },
      { nodes: all, shardCount },
      all.map((_, i) => place.nodes + i * bytes),
      whole,
      partOfSlice(layout, whole, 0, 1),
    ),
  };
}

interface ChunkOf {
  readonly redistribution: Redistribution;
  readonly chunk: Chunk;
  readonly i: number;
  readonly gradient: PartialLayout;
  readonly shardCount: number;
}

function planChunk(
  { training, place, thread, threads }: ExchangesOptions,
  { redistribution, chunk, i, gradient, shardCount }: ChunkOf,
  tables: Tables | null,
): GradientChunk {
  const { rank } = place.ranks;
  const { cuts, send, receive, back } = chunk;
  const { nodes, chunks } = redistribution;
  const { tensors, flatSize } = training.architecture;
  const bytesOf = (slice: number) => 4 * (cuts[slice + 1] - cuts[slice]);
  // This rank's slice of its own nodes lies where those of the others come to.
  const blockOf = (slice: number) =>
    slice === rank ? place.inbox + receive.displacements[rank] : place.outbox + send.displacements[slice];
  const slotOf = (k: number, slice: number) => blockOf(slice) + k * bytesOf(slice);
  const own = partOf({ from: cuts[0], to: cuts[cuts.length - 1] }, thread, threads);
  const pieces = nodes[rank].map((_, k) =>
    cuts.slice(0, -1).flatMap((cut, slice) =>
      segmentsOf(tensors, Math.max(cut, own.from), Math.min(cuts[slice + 1], own.to)).map((segment) => ({
        segment,
        at: slotOf(k, slice) + 4 * (segment.tensor.offset + segment.from - cut),
      })),
    ),
  );
  const last = cuts.length - 2;
  const hasLosses = thread === 0 && cuts[last + 1] > flatSize;
  const slots = nodes.flatMap((of, from) =>
    of.map((_, k) => place.inbox + receive.displacements[from] + k * bytesOf(rank)),
  );
  const slice = { from: cuts[rank], to: cuts[rank + 1] };
  const others = nodes.flatMap((_, other) => (other === rank ? [] : [other]));
  return {
    pieces,
    losses: hasLosses ? nodes[rank].map((_, k) => slotOf(k, last) + 4 * (flatSize - cuts[last])) : null,
    send: blocksAt(tables, place.outbox, send),
    receive: blocksAt(tables, place.inbox, receive),
    back: blocksAt(tables, training.plan.gradient, back),
    requests: { there: place.requests + 8 * i, back: place.requests + 8 * (chunks.length + i) },
    notesOut: others.map((other) => slotOf(nodes[rank].length, other)),
    notesIn: nodes.map((of, from) =>
      from === rank ? null : place.inbox + receive.displacements[from] + of.length * bytesOf(rank),
    ),
    merger: new SliceMerger(
      { kernels: training.kernels, stack: training.plan.threads[thread].stack },
      { nodes: nodes.flat(), shardCount },
      slots,
      slice,
      partOfSlice(gradient, slice, thread, threads),
    ),
  };
}

/** What one of `size` threads sums of a run of the gradient. */
function partOf({ from, to }: { readonly from: number; readonly to: number }, thread: number, size: number) {
  const cut = (part: number) =>
    part === size ? to : from + Math.floor(((to - from) * part) / size / sliceUnit) * sliceUnit;
  return { from: cut(thread), to: cut(thread + 1) };
}

function startsOf(counts: readonly number[]): number[] {
  return counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0));
}

/** Only thread 0 sends, and needs the lists in memory. */
function blocksAt(tables: Tables | null, buffer: number, { counts, displacements }: BlockList): Blocks {
  if (tables === null) return { buffer, counts: 0, displacements: 0 };
  return { buffer, counts: tables.write(counts), displacements: tables.write(displacements) };
}

/** Writes lists of i32 one behind the other. */
class Tables {
  readonly #integers: Int32Array;
  readonly #end: number;
  #next: number;

  constructor({ buffer }: SharedMemory, { tables, tableBytes }: RankPlace) {
    this.#integers = new Int32Array(buffer);
    this.#next = tables;
    this.#end = tables + tableBytes;
  }

  /** Returns the byte offset. */
  write(numbers: readonly number[]): number {
    const at = this.#next;
    this.#next += 4 * numbers.length;
    if (this.#next > this.#end) throw new Error('more exchanges than planned');
    this.#integers.set(numbers, at / 4);
    return at;
  }
}
