/** One exchange of one step: partials come in by node of the reduction tree and become the total. */
import { childrenOf, coveringNodes, pathTo, type TreeNode } from '../shared/reduction/tree.ts';
import { areFinite, firstDifference } from './bits.ts';
import type { Merged } from './merger.ts';

/** Merges the values of the children of `node`; both stay as they are. */
export type Merge = (left: Float32Array, right: Float32Array, node: TreeNode) => Merged;

/**
 * What became of a partial:
 * - `accepted`: it fills its node
 * - `corrected`: the same, but NaN or infinity, which somebody sent before, had to go for it
 * - `duplicate`: the node had the same bits already, received or merged
 * - `conflict`: the node has other bits, so whoever sent either of them computes wrongly
 * - `covered`: a node above was received whole, so it is not needed and there is nothing to compare it with
 */
export type Outcome = 'accepted' | 'corrected' | 'duplicate' | 'conflict' | 'covered';

/** The value at a node. */
interface Slot {
  readonly node: TreeNode;
  readonly values: Float32Array;
  /** Whether it came from a worker or was merged from the node's children. */
  readonly isReceived: boolean;
  /** Whether all values are finite; null where nobody has looked. */
  readonly isFinite: boolean | null;
}

/**
 * The slots of one exchange. A node may come whole or as its children, in any order; siblings are merged as soon as
 * both are there, so the total is the fold by the tree whatever came when and cut how.
 */
export class Reduction {
  readonly #shardCount: number;
  readonly #merge: Merge;
  readonly #slots = new Map<string, Slot>();

  constructor(shardCount: number, merge: Merge) {
    this.#shardCount = shardCount;
    this.#merge = merge;
  }

  /**
   * Takes the partial of a node, which must not change any more.
   * @throws Error for what is no node of the tree: to be asked for with `isTreeNode` before
   */
  accept(node: TreeNode, values: Float32Array): Outcome {
    const path = pathTo(node, this.#shardCount);
    if (path.length === 0) {
      throw new Error(`shards ${node.lo} … ${node.hi - 1} are no node of a tree over ${this.#shardCount}`);
    }
    const known = this.#slot(node);
    if (known !== undefined && firstDifference(known.values, values) === null) return 'duplicate';
    const inTheWay = known ?? path.map((above) => this.#slot(above)).find((slot) => slot?.isReceived);
    if (inTheWay !== undefined) {
      const isBetter = inTheWay.isReceived && !areFinite(inTheWay.values) && areFinite(values);
      if (!isBetter) return inTheWay === known ? 'conflict' : 'covered';
      this.drop(inTheWay.node);
    }
    this.#put({ node, values, isReceived: true, isFinite: null });
    this.#mergeUp(path.slice(0, -1));
    return inTheWay === undefined ? 'accepted' : 'corrected';
  }

  /**
   * Throws out what a node received and everything merged from it, for a sender that turned out wrong. Returns false
   * if the node has received nothing.
   */
  drop(node: TreeNode): boolean {
    if (this.#slot(node)?.isReceived !== true) return false;
    this.#slots.delete(keyOf(node));
    for (const above of pathTo(node, this.#shardCount).slice(0, -1).reverse()) {
      // What is above a node that was received whole was not merged from here.
      if (this.#slot(above)?.isReceived !== false) break;
      this.#slots.delete(keyOf(above));
    }
    return true;
  }

  /** The value at the root, or null as long as something is missing. */
  get total(): Float32Array | null {
    return this.valueAt({ lo: 0, hi: this.#shardCount });
  }

  /** The value at a node, received or merged, or null. */
  valueAt(node: TreeNode): Float32Array | null {
    return this.#slot(node)?.values ?? null;
  }

  /** The fewest nodes that still have to come, from left to right. */
  missing(): TreeNode[] {
    const missing: TreeNode[] = [];
    let end = 0;
    for (const { node } of this.#received()) {
      if (node.lo > end) missing.push(...coveringNodes(end, node.lo, this.#shardCount));
      end = Math.max(end, node.hi);
    }
    return [...missing, ...coveringNodes(end, this.#shardCount, this.#shardCount)];
  }

  /** The received nodes that the total is made of, from left to right; none lies within another. */
  parts(): TreeNode[] {
    const parts: TreeNode[] = [];
    const received = this.#received().map(({ node }) => node);
    for (const node of received.toSorted((a, b) => a.lo - b.lo || b.hi - a.hi)) {
      if (node.lo >= (parts.at(-1)?.hi ?? 0)) parts.push(node);
    }
    return parts;
  }

  /** Whether the total holds no NaN and no infinity; null where merging has not shown it. */
  get mergedIsFinite(): boolean | null {
    return this.#slot({ lo: 0, hi: this.#shardCount })?.isFinite ?? null;
  }

  /**
   * The nodes that were received with NaN or infinity, from left to right. There may be none though the total is not
   * finite: finite values can overflow when they are merged.
   */
  nonFiniteNodes(): TreeNode[] {
    return this.#received()
      .filter(({ values }) => !areFinite(values))
      .map(({ node }) => node);
  }

  /** What merging made, the total if it was merged among it: free for reuse once this reduction is over. */
  mergedValues(): Float32Array[] {
    return [...this.#slots.values()].filter(({ isReceived }) => !isReceived).map(({ values }) => values);
  }

  /** Merges what can be merged, from the end of a path up to the root. */
  #mergeUp(path: readonly TreeNode[]): void {
    for (const node of path.toReversed()) {
      const [left, right] = childrenOf(node).map((child) => this.#slot(child));
      if (left === undefined || right === undefined) return;
      this.#put({ node, isReceived: false, ...this.#merge(left.values, right.values, node) });
    }
  }

  /** From left to right. */
  #received(): Slot[] {
    return [...this.#slots.values()]
      .filter(({ isReceived }) => isReceived)
      .toSorted((a, b) => a.node.lo - b.node.lo);
  }

  #slot(node: TreeNode): Slot | undefined {
    return this.#slots.get(keyOf(node));
  }

  #put(slot: Slot): void {
    this.#slots.set(keyOf(slot.node), slot);
  }
}

function keyOf({ lo, hi }: TreeNode): string {
  return `${lo} ${hi}`;
}
