/**
 * The reduction tree fixes the order of every sum across shards: one shard is a leaf; otherwise the left child
 * takes the largest power of two below the number of shards. It depends on that number only.
 */

/** A node of the tree: shards `lo … hi−1`. */
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

/** The nodes from the root of the tree over so many shards down to this one; none if it is no node of that tree. */
export function pathTo({ lo, hi }: TreeNode, shardCount: number): TreeNode[] {
  const path: TreeNode[] = [];
  let here: TreeNode = { lo: 0, hi: shardCount };
  while (here.lo <= lo && hi <= here.hi && lo < hi) {
    path.push(here);
    if (here.lo === lo && here.hi === hi) return path;
    if (here.hi - here.lo === 1) return [];
    const [left, right] = childrenOf(here);
    here = lo < right.lo ? left : right;
  }
  return [];
}

/** True if there is such a node in the tree over so many shards; the numbers may be anything. */
export function isTreeNode(node: TreeNode, shardCount: number): boolean {
  return pathTo(node, shardCount).length > 0;
}

/** The two nodes that a node of at least two shards is merged from. */
export function childrenOf({ lo, hi }: TreeNode): readonly [left: TreeNode, right: TreeNode] {
  const split = middle(lo, hi);
  return [
    { lo, hi: split },
    { lo: split, hi },
  ];
}

/** The fewest nodes of the tree over so many shards that make up shards `lo … hi−1`, from left to right. */
export function coveringNodes(lo: number, hi: number, shardCount: number): TreeNode[] {
  const cover = (node: TreeNode): TreeNode[] => {
    if (node.hi <= lo || hi <= node.lo) return [];
    if (lo <= node.lo && node.hi <= hi) return [node];
    return childrenOf(node).flatMap(cover);
  };
  return cover({ lo: 0, hi: shardCount });
}
