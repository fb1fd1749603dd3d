/**
 * How the ranks of a job that are all there from the beginning to the end share a step: which shards are whose, which nodes
 * of the reduction tree that makes, and which slice of a vector each of them finishes. The same wherever it is worked
 * out.
 */
import type { PartialLayout } from './partial.ts';
import { childrenOf, coveringNodes, type TreeNode } from './tree.ts';

/** One of so many. */
export interface RankOf {
  readonly rank: number;
  readonly count: number;
}

/** Shards `lo … hi−1`. */
export interface Share {
  readonly lo: number;
  readonly hi: number;
}

/** The shards of a rank: runs as equal as they can be. Where there are too few, rank 0 still has one. */
export function shareOf(shardCount: number, { rank, count }: RankOf): Share {
  return {
    lo: Math.ceil((shardCount * rank) / count),
    hi: Math.ceil((shardCount * (rank + 1)) / count),
  };
}

/** The nodes of the tree that each rank's shards are merged to before they travel, by rank, from left to right. */
export function nodesByRank(shardCount: number, count: number): TreeNode[][] {
  return Array.from({ length: count }, (_, rank) => {
    const { lo, hi } = shareOf(shardCount, { rank, count });
    return lo < hi ? coveringNodes(lo, hi, shardCount) : [];
  });
}

/** A merge of two slots into the left one, which then holds `node`. */
export interface MergeStep {
  readonly node: TreeNode;
  readonly left: number;
  readonly right: number;
}

/**
 * The merges that make the root of the tree out of nodes that lie in slots 0, 1, 2, … from left to right; the root is then in
 * slot 0. Siblings merge always left with right, so what comes of it is the tree's, however it is cut into nodes.
 */
export function mergeSteps(nodes: readonly TreeNode[], shardCount: number): MergeStep[] {
  const steps: MergeStep[] = [];
  let next = 0;
  const fold = (node: TreeNode): number => {
    const { lo, hi } = nodes[next];
    if (lo === node.lo && hi === node.hi) return next++;
    const [left, right] = childrenOf(node).map(fold);
    steps.push({ node, left, right });
    return left;
  };
  fold({ lo: 0, hi: shardCount });
  return steps;
}

/** Cuts lie at multiples of this many floats: what a kernel sums at a time (see `sliceOf` of the tensors). */
const cutUnit = 256;

/**
 * Cuts floats `from … to−1` of a vector into parts as equal as they can be: `parts + 1` numbers, of which equal ones enclose
 * nothing. Means and the M2s that belong to them are never parted, as merging needs both.
 */
export function cutVector({ moments }: PartialLayout, from: number, to: number, parts: number): number[] {
  const areas = moments.map(({ mean, m2, width }) => ({ from: mean, to: m2 + width }));
  const cuts = Array.from({ length: parts - 1 }, (_, i) => {
    const cut = from + Math.round(((to - from) * (i + 1)) / parts / cutUnit) * cutUnit;
    const area = areas.find((one) => one.from < cut && cut < one.to);
    return Math.min(to, area?.from ?? cut);
  });
  return [from, ...cuts.map((cut) => Math.max(from, cut)), to];
}
