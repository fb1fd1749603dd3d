/** Merges what came of all ranks for one slice of the gradient, as one thread of a team does its part of it. */
import type { Kernels } from '../../shared/kernels/kernels.ts';
import type { MomentsPlace, PartialLayout } from '../../shared/reduction/partial.ts';
import { type MergeStep, mergeSteps } from '../../shared/reduction/ranks.ts';
import type { Span } from '../../shared/reduction/span.ts';
import { middle, type TreeNode } from '../../shared/reduction/tree.ts';

/** A run of floats `from … to−1`. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** Some columns of batch moments. */
interface Columns extends Run {
  readonly place: MomentsPlace;
}

/** What one thread merges of a slice. */
export interface SlicePart {
  readonly sums: readonly Run[];
  readonly moments: readonly Columns[];
}

const unit = 16;

/** The part of floats `from … to−1` of a vector that falls to one of `size` threads. */
export function partOfSlice(
  { moments }: PartialLayout,
  { from, to }: Run,
  rank: number,
  size: number,
): SlicePart {
  const cut = (length: number, part: number) => Math.floor((length * part) / size / unit) * unit;
  const share = (length: number) => ({
    from: cut(length, rank),
    to: rank === size - 1 ? length : cut(length, rank + 1),
  });
  const areas = moments.filter(({ mean }) => from <= mean && mean < to);
  const own = share(to - from);
  const starts = [from, ...areas.map(({ m2, width }) => m2 + width)];
  const ends = [...areas.map(({ mean }) => mean), to];
  const sums = starts.map((start, i) => ({
    from: Math.max(start, from + own.from),
    to: Math.min(ends[i], from + own.to),
  }));
  const columns = areas.map((place) => ({ place, ...share(place.width) }));
  const isSome = (run: Run) => run.from < run.to;
  return { sums: sums.filter(isSome), moments: columns.filter(isSome) };
}

/** Kernels that merge, and a stack that nobody else uses. */
export interface MergeKernels {
  readonly kernels: Pick<Kernels, 'mergeSums' | 'mergeMoments'>;
  readonly stack: number;
}

export class SliceMerger {
  readonly #kernels: MergeKernels['kernels'];
  readonly #stack: number;
  readonly #steps: readonly MergeStep[];
  /** Byte offsets where float 0 of the vector would lie, had each slot all of it. */
  readonly #slots: readonly number[];
  readonly #part: SlicePart;

  /**
   * @param slots byte offsets of the slots of all nodes, from left to right; each begins with float `slice.from`
   */
  constructor(
    { kernels, stack }: MergeKernels,
    { nodes, shardCount }: { readonly nodes: readonly TreeNode[]; readonly shardCount: number },
    slots: readonly number[],
    slice: Run,
    part: SlicePart,
  ) {
    this.#kernels = kernels;
    this.#stack = stack;
    this.#steps = mergeSteps(nodes, shardCount);
    // Never below 0: replicas, each as long as the vector, lie before them.
    this.#slots = slots.map((slot) => slot - 4 * slice.from);
    this.#part = part;
  }

  /** Merges this thread's part by the tree into the vector at byte offset `total`. The slots are used up. */
  merge(span: Span, total: number): void {
    const last = this.#steps.length - 1;
    if (last < 0) this.#copy(this.#slots[0], total);
    for (const [i, { node, left, right }] of this.#steps.entries()) {
      const [a, b] = [this.#slots[left], this.#slots[right]];
      this.#mergeTwo(a, b, i === last ? total : a, node, span);
    }
  }

  #mergeTwo(left: number, right: number, out: number, { lo, hi }: TreeNode, span: Span): void {
    const stride = right - left;
    for (const { from, to } of this.#part.sums) {
      this.#kernels.mergeSums(left, stride, 0, 2, from, to, out + 4 * from, this.#stack);
    }
    // The kernel merges shards of equal size of which the last may be short. So are the children of a node.
    const first = lo * span.shardSize;
    const rows = Math.min(hi * span.shardSize, span.rows) - first;
    const leftRows = middle(lo, hi) * span.shardSize - first;
    for (const { place, from, to } of this.#part.moments) {
      const { mean, m2 } = place;
      this.#kernels.mergeMoments(
        left + 4 * mean,
        stride,
        m2 - mean,
        rows,
        leftRows,
        0,
        2,
        from,
        to,
        out + 4 * (mean + from),
        out + 4 * (m2 + from),
        this.#stack,
      );
    }
  }

  /** The sum of one slot is a copy of it. */
  #copy(slot: number, out: number): void {
    const { sums, moments } = this.#part;
    const halves = moments.flatMap(({ place, from, to }) =>
      [place.mean, place.m2].map((at) => ({ from: at + from, to: at + to })),
    );
    for (const { from, to } of [...sums, ...halves]) {
      this.#kernels.mergeSums(slot, 0, 0, 1, from, to, out + 4 * from, this.#stack);
    }
  }
}
