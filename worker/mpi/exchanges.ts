/** The exchanges of a step among ranks, planned to the byte for one thread: what is computed where, and what is sent from there. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import type { Architecture } from '../../shared/model/architecture.ts';
import {
  noteBytes,
  type RankPlace,
  redistributionOf,
  shardCountsOf,
  vectorBytes,
  windowsOf,
} from '../../shared/model/rank-plan.ts';
import { gradientLayout, type Segment, segmentsOf, sliceUnit } from '../../shared/model/tensors.ts';
import type { PartialLayout } from '../../shared/reduction/partial.ts';
import { nodesByRank } from '../../shared/reduction/ranks.ts';
import type { TreeNode } from '../../shared/reduction/tree.ts';
import type { Training } from '../../shared/training.ts';
import type { Blocks } from './calls.ts';
import { partOfSlice, type Run, SliceMerger, type SlicePart } from './slice-merger.ts';
import { blocksAt, inARow, planSlices, type SliceChunk, Tables } from './slices.ts';

/** An exchange of batch normalisation: every rank gets the nodes of all. */
export interface Gather {
  /** Byte offsets of this rank's nodes among those of all. */
  readonly slots: readonly number[];
  readonly blocks: Blocks;
  readonly merger: SliceMerger;
}

/** A run of the gradient that is exchanged at a time. */
export interface GradientChunk extends SliceChunk {
  /** What this thread sums of the slices of other ranks, and of the slice of this one. */
  readonly others: GradientPart;
  readonly own: GradientPart;
}

/** Some of a gradient. */
export interface GradientPart {
  readonly segments: readonly Segment[];
  /** Whether the losses behind the flat vector are in it. */
  readonly hasLosses: boolean;
}

/** All exchanges of a step with so many shards. */
export interface BatchExchanges {
  /** The nodes of this rank, and byte offsets of their gradients. */
  readonly nodes: readonly TreeNode[];
  readonly vectors: readonly number[];
  readonly gathers: readonly Gather[];
  readonly chunks: readonly GradientChunk[];
  /** What this thread merges of the gradient, and may update. */
  readonly slice: readonly Segment[];
  /** Who merges the losses. */
  readonly lossRank: number;
}

export interface ExchangesOptions {
  readonly training: Training;
  readonly memory: SharedMemory;
  readonly place: RankPlace;
  /** Whether the windows of all ranks are open: then gradients are merged where they are. */
  readonly hasWindows: boolean;
  /** Of the threads over this memory; the first one sends. */
  readonly thread: number;
  readonly threads: number;
}

export interface PlannedExchanges {
  /** By the number of shards of a batch. */
  readonly batches: ReadonlyMap<number, BatchExchanges>;
  /** The notes of all ranks, each in its own place. */
  readonly notes: Blocks;
}

export function planExchanges(options: ExchangesOptions): PlannedExchanges {
  const { training, memory, place, thread } = options;
  const tables = thread === 0 ? new Tables(memory, place.tables, place.tableBytes) : null;
  const { sizes } = training;
  const counts = Array.from({ length: place.ranks.count }, () => noteBytes);
  return {
    batches: new Map(
      shardCountsOf(sizes).map((shardCount) => [shardCount, planBatch(options, shardCount, tables)]),
    ),
    notes: blocksAt(tables, place.notes, inARow(counts)),
  };
}

function planBatch(options: ExchangesOptions, shardCount: number, tables: Tables | null): BatchExchanges {
  const { training, place, hasWindows, thread, threads } = options;
  const { architecture, kernels, model, plan } = training;
  const { ranks, below, above, window } = place;
  const layout = gradientLayout(architecture.tensors);
  const redistribution = redistributionOf({ ranks, gradient: layout }, shardCount);
  const nodes = redistribution.nodes[ranks.rank];
  const total = plan.gradient;
  const vectorOf = (k: number) => (k === 0 ? total : place.vectors + (k - 1) * vectorBytes(layout));
  const vectors = nodes.map((_, k) => vectorOf(k));
  const windows = hasWindows ? windowsOf(place) : null;
  const seen = windows && ((rank: number, turn: number) => windows[rank] + vectorOf(turn) - window);
  const chunks = planSlices(
    redistribution,
    { ranks, below, above, vectors, total, seen, requests: place.requests },
    {
      ...{ kernels, stack: plan.threads[thread].stack, layout, gathered: architecture.flatSize },
      ...{ shardCount, thread, threads },
    },
    tables,
  );
  const isLossIn = (rank: number) =>
    redistribution.chunks.some(
      ({ cuts }) => cuts[rank] <= architecture.flatSize && architecture.flatSize < cuts[rank + 1],
    );
  const partOf = (...runs: readonly Run[]): GradientPart => ({
    segments: runs.flatMap((run) => segmentsIn(architecture, partOfRun(run, thread, threads))),
    hasLosses: thread === 0 && runs.some(({ from, to }) => from < to && to > architecture.flatSize),
  });
  return {
    nodes,
    vectors,
    gathers: model.exchanges.slice(0, -1).map((one) => planGather(options, one.layout, shardCount, tables)),
    chunks: chunks.map((chunk) => {
      const { run, slice } = chunk;
      const others = partOf({ from: run.from, to: slice.from }, { from: slice.to, to: run.to });
      return { ...chunk, others, own: partOf(slice) };
    }),
    slice: chunks.flatMap(({ part }) => segmentsOfPart(architecture, part)),
    lossRank: redistribution.nodes.findIndex((_, rank) => isLossIn(rank)),
  };
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
  const list = inARow(nodes.map((own) => own.length * bytes));
  const all = nodes.flat();
  const whole = { from: 0, to: layout.floats };
  return {
    slots: nodes[rank].map((_, k) => place.nodes + list.displacements[rank] + k * bytes),
    blocks: blocksAt(tables, place.nodes, list),
    merger: new SliceMerger(
      { kernels: training.kernels, stack: training.plan.threads[thread].stack },
      { nodes: all, shardCount },
      all.map((_, i) => place.nodes + i * bytes),
      whole,
      partOfSlice(layout, whole, 0, 1),
    ),
  };
}

/** What one of `size` threads sums of a run. */
function partOfRun({ from, to }: Run, thread: number, size: number): Run {
  const cut = (part: number) =>
    part === size ? to : from + Math.floor(((to - from) * part) / size / sliceUnit) * sliceUnit;
  return { from: cut(thread), to: cut(thread + 1) };
}

function segmentsOfPart(architecture: Architecture, { sums, moments }: SlicePart): Segment[] {
  const columns = moments.flatMap(({ place, from, to }) =>
    [place.mean, place.m2].map((at) => ({ from: at + from, to: at + to })),
  );
  return [...sums, ...columns].flatMap((run) => segmentsIn(architecture, run));
}

function segmentsIn({ tensors, flatSize }: Architecture, { from, to }: Run): Segment[] {
  return segmentsOf(tensors, from, Math.min(to, flatSize));
}
