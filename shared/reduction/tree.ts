/**
 * The reduction tree fixes the order of every sum across shards: one shard is a leaf; otherwise the left child
 * takes the largest power of two below the number of shards. It depends on that number only.
 */

/** Shards `lo … hi−1`, where the tree has a node for them. */
export interface TreeNode {
  readonly lo: number;
  readonly hi: number;
}

/** Where the right child of the node `lo … hi−1` begins; the node has at least two shards. */
export function middle(lo: number, hi: number): number {
  let left = 1;
  while (left * 2 < hi - lo) left *= 2;
  return lo + left;
}

/** The value at the node `lo … hi−1`: leaves merged by the tree, always left with right. */
export function foldTree<T>(
  lo: number,
  hi: number,
  leaf: (shard: number) => T,
  merge: (left: T, right: T) => T,
): T {
  if (hi - lo === 1) return leaf(lo);
  const split = middle(lo, hi);
  return merge(foldTree(lo, split, leaf, merge), foldTree(split, hi, leaf, merge));
}
