/** How a vector is exchanged by slices, planned to the byte: what is sent, where it comes to, what is merged with what. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import type { PartialLayout } from '../../shared/reduction/partial.ts';
import type { RankOf } from '../../shared/reduction/ranks.ts';
import type { Redistribution } from '../../shared/reduction/redistribution.ts';
import type { Blocks } from './calls.ts';
import { type MergeKernels, partOfSlice, type Run, SliceMerger, type SlicePart } from './slice-merger.ts';

/** A message to each other rank, and one from each, under way at the same time. */
export interface Crossing {
  readonly send: Blocks;
  readonly receive: Blocks;
  readonly request: number;
}

/** A run of a vector that travels at a time. */
export interface SliceChunk {
  readonly run: Run;
  /** The slice of this rank. */
  readonly slice: Run;
  /** A node of each rank at a time. */
  readonly crossings: readonly Crossing[];
  /** The slices of all, in place in a vector that every rank gets whole. */
  readonly back: Omit<Blocks, 'buffer'>;
  readonly backRequest: number;
  /** What this thread merges of the slice. */
  readonly part: SlicePart;
  readonly merger: SliceMerger;
}

/** Byte offsets. */
export interface SlicePlace {
  readonly ranks: RankOf;
  readonly below: number;
  readonly above: number;
  /** Of this rank's nodes, from left to right, the first at `total`: where they lie is between `below` and `above`. */
  readonly vectors: readonly number[];
  readonly total: number;
  /** Where node `turn` of another rank lies, if this one sees it: then it is merged there, and nothing is sent. */
  readonly seen: ((rank: number, turn: number) => number) | null;
  readonly requests: number;
}

export interface SliceWork extends MergeKernels {
  readonly layout: PartialLayout;
  /** Floats of a vector that every rank gets; what the layout has behind them stays with its owner. */
  readonly gathered: number;
  readonly shardCount: number;
  /** Of the threads over this memory. */
  readonly thread: number;
  readonly threads: number;
}

/** Requests that are under way, in all. */
export function requestsOf({ turns, chunks }: Pick<Redistribution, 'turns' | 'chunks'>): number {
  return (turns + 1) * chunks.length;
}

/** Lists of counts and displacements. */
export function listsOf({ turns, chunks }: Pick<Redistribution, 'turns' | 'chunks'>): number {
  return (2 * turns + 1) * chunks.length;
}

/** @param tables null for a thread that sends nothing */
export function planSlices(
  { nodes, turns, chunks }: Redistribution,
  place: SlicePlace,
  work: SliceWork,
  tables: Tables | null,
): SliceChunk[] {
  const { ranks, vectors, total, seen } = place;
  const { rank } = ranks;
  return chunks.map(({ cuts, arrivals }, i) => {
    const slice = { from: cuts[rank], to: cuts[rank + 1] };
    const bytesOf = (ends: readonly number[]) => ends.slice(1).map((end, i) => 4 * (end - ends[i]));
    const bytes = bytesOf(cuts);
    const starts = cuts.slice(0, -1).map((cut) => 4 * cut);
    const gathered = bytesOf(cuts.map((cut) => Math.min(cut, work.gathered)));
    const arrivalsOf = (from: number) =>
      seen === null
        ? arrivals[from].map((offset) => (from < rank ? place.below : place.above) + offset)
        : nodes[from].map((_, turn) => seen(from, turn) + 4 * slice.from);
    const part = partOfSlice(work.layout, slice, work.thread, work.threads);
    const isSent = (turn: number, other: number, count: number) =>
      seen === null && other !== rank && turn < count;
    const request = (turn: number) => place.requests + 8 * (i * (turns + 1) + turn);
    return {
      run: { from: cuts[0], to: cuts[cuts.length - 1] },
      slice,
      // Of what is seen each tells the others once that it is there.
      crossings: Array.from({ length: seen === null ? turns : Math.min(1, turns) }, (_, turn) => ({
        send: blocksAt(tables, vectors[turn] ?? total, {
          counts: bytes.map((length, to) => (isSent(turn, to, vectors.length) ? length : 0)),
          displacements: starts,
        }),
        receive: blocksAt(tables, place.below, {
          counts: nodes.map((its, from) => (isSent(turn, from, its.length) ? bytes[rank] : 0)),
          displacements: nodes.map((_, from) =>
            isSent(turn, from, nodes[from].length) ? arrivalsOf(from)[turn] - place.below : 0,
          ),
        }),
        request: request(turn),
      })),
      back: blocksAt(tables, 0, { counts: gathered, displacements: starts }),
      backRequest: request(turns),
      part,
      merger: new SliceMerger(
        work,
        { nodes: nodes.flat(), shardCount: work.shardCount },
        nodes.flatMap((_, from) =>
          from === rank ? vectors.map((vector) => vector + 4 * slice.from) : arrivalsOf(from),
        ),
        slice,
        part,
      ),
    };
  });
}

/** For each rank so many bytes, so many bytes behind the beginning of a buffer. */
export interface BlockList {
  readonly counts: readonly number[];
  readonly displacements: readonly number[];
}

/** Blocks one behind the other. */
export function inARow(counts: readonly number[]): BlockList {
  const before = (i: number) => counts.slice(0, i).reduce((sum, count) => sum + count, 0);
  return { counts, displacements: counts.map((_, i) => before(i)) };
}

/** Only a thread that sends needs the lists in memory. */
export function blocksAt(
  tables: Tables | null,
  buffer: number,
  { counts, displacements }: BlockList,
): Blocks {
  if (tables === null) return { buffer, counts: 0, displacements: 0 };
  return { buffer, counts: tables.write(counts), displacements: tables.write(displacements) };
}

/** Writes lists of i32 one behind the other. */
export class Tables {
  readonly #integers: Int32Array;
  readonly #end: number;
  #next: number;

  constructor({ buffer }: SharedMemory, at: number, bytes: number) {
    this.#integers = new Int32Array(buffer);
    this.#next = at;
    this.#end = at + bytes;
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
