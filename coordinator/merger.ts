/**
 * Merges the partials of two sibling nodes of the reduction tree as they come from workers, to the bits that one
 * process gets where it merges all shards in its memory.
 */
import { padded, stackBytes } from '../shared/kernels/kernels.ts';
import type { Scratch } from '../shared/kernels/scratch.ts';
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { middle, type TreeNode } from '../shared/reduction/tree.ts';

/** The samples of a step and how they are cut into shards, the last of which may be short. */
export interface Batch {
  readonly rows: number;
  readonly shardSize: number;
}

export interface Merged {
  readonly values: Float32Array;
  /** False if there is NaN or infinity among them. */
  readonly isFinite: boolean;
}

/** A run of floats `from … to−1`. */
interface Run {
  readonly from: number;
  readonly to: number;
}

/** Floats merged at a time. Both partials and the result of a block stay in the first-level cache. */
const blockFloats = 2048;
/** In floats: the two slots, where their merged values go, and the kernels' stack. */
const at = { left: 16, right: 16 + blockFloats, merged: 16 + 2 * blockFloats, stack: 16 + 3 * blockFloats };
const halfBlock = blockFloats / 2;
/** Bytes from slot to slot. */
const slotBytes = 4 * blockFloats;

/** Bytes of the scratch memory that a merger needs. */
export const mergerBytes = 4 * at.stack + stackBytes;

/** More arrays than these are not kept for reuse. */
const mostSpare = 64;

export class Merger {
  readonly #layout: PartialLayout;
  readonly #sums: readonly Run[];
  readonly #kernels: Scratch['kernels'];
  readonly #floats: Float32Array;
  readonly #spare: Float32Array[] = [];

  /** @param scratch at least `mergerBytes` that nobody else uses */
  constructor(layout: PartialLayout, scratch: Scratch) {
    this.#layout = layout;
    this.#sums = runsOfSums(layout);
    this.#kernels = scratch.kernels;
    this.#floats = new Float32Array(scratch.buffer, 0, mergerBytes / 4);
  }

  /**
   * Merges the partials of the children of a node, always left with right. Both stay as they are; the result is the
   * caller's until it is given back by {@link recycle}.
   */
  merge(left: Float32Array, right: Float32Array, node: TreeNode, batch: Batch): Merged {
    const values = this.#spare.pop() ?? new Float32Array(this.#layout.floats);
    let bad = 0;
    for (const { from, to } of this.#sums) {
      for (let first = from; first < to; first += blockFloats) {
        bad |= this.#mergeSums(left, right, first, Math.min(first + blockFloats, to), values);
      }
    }
    for (const { mean, m2, width } of this.#layout.moments) {
      for (let first = 0; first < width; first += halfBlock) {
        const count = Math.min(halfBlock, width - first);
        bad |= this.#mergeMoments(left, right, mean + first, m2 + first, count, node, batch, values);
      }
    }
    return { values, isFinite: bad === 0 };
  }

  /**
   * Takes back an array that {@link merge} returned and that nobody reads any more, for a later result: the pages of
   * a new one cost as much as merging.
   */
  recycle(values: Float32Array): void {
    if (this.#spare.length < mostSpare) this.#spare.push(values);
  }

  #mergeSums(left: Float32Array, right: Float32Array, from: number, to: number, out: Float32Array): number {
    const count = to - from;
    this.#load(at.left, left, from, count);
    this.#load(at.right, right, from, count);
    const [slots, merged, stack] = [4 * at.left, 4 * at.merged, 4 * at.stack];
    const bad = this.#kernels.mergeSums(slots, slotBytes, 0, 2, 0, padded(count), merged, stack);
    out.set(this.#floats.subarray(at.merged, at.merged + count), from);
    return bad;
  }

  /**
   * The kernel merges shards of equal size of which the last may be short. So are the children of a node: the left one
   * consists of whole shards, the right one has as many samples or fewer.
   */
  #mergeMoments(
    left: Float32Array,
    right: Float32Array,
    mean: number,
    m2: number,
    count: number,
    node: TreeNode,
    batch: Batch,
    out: Float32Array,
  ): number {
    this.#load(at.left, left, mean, count);
    this.#load(at.left + halfBlock, left, m2, count);
    this.#load(at.right, right, mean, count);
    this.#load(at.right + halfBlock, right, m2, count);
    const first = node.lo * batch.shardSize;
    const rows = Math.min(node.hi * batch.shardSize, batch.rows) - first;
    const leftRows = middle(node.lo, node.hi) * batch.shardSize - first;
    const mergedM2 = at.merged + halfBlock;
    const bad = this.#kernels.mergeMoments(
      4 * at.left,
      slotBytes,
      halfBlock,
      rows,
      leftRows,
      0,
      2,
      0,
      padded(count),
      4 * at.merged,
      4 * mergedM2,
      4 * at.stack,
    );
    out.set(this.#floats.subarray(at.merged, at.merged + count), mean);
    out.set(this.#floats.subarray(mergedM2, mergedM2 + count), m2);
    return bad;
  }

  /** Copies floats `from … from+count−1` into scratch, with zeros up to a whole panel. */
  #load(to: number, values: Float32Array, from: number, count: number): void {
    this.#floats.set(values.subarray(from, from + count), to);
    this.#floats.fill(0, to + count, to + padded(count));
  }
}

/** What is left of a partial without its moments. */
function runsOfSums({ floats, moments }: PartialLayout): Run[] {
  const areas = moments
    .flatMap(({ mean, m2, width }) => [
      { from: mean, to: mean + width },
      { from: m2, to: m2 + width },
    ])
    .toSorted((a, b) => a.from - b.from);
  const starts = [0, ...areas.map(({ to }) => to)];
  const ends = [...areas.map(({ from }) => from), floats];
  return starts.map((from, i) => ({ from, to: ends[i] })).filter(({ from, to }) => from < to);
}
