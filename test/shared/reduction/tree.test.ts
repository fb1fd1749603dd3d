/** The shape of the reduction tree. */
import t from 'tap';
import {
  childrenOf,
  coveringNodes,
  foldTree,
  isTreeNode,
  middle,
  pathTo,
  type TreeNode,
} from '../../../shared/reduction/tree.ts';

/** The tree as text, shards as numbers: `((0 1) 2)`. */
function shapeOf(lo: number, hi: number): string {
  return foldTree(lo, hi, String, (left, right) => `(${left} ${right})`);
}

t.test('the left child takes the largest power of two below the number of shards', (t) => {
  const shapes = [
    '0',
    '(0 1)',
    '((0 1) 2)',
    '((0 1) (2 3))',
    '(((0 1) (2 3)) 4)',
    '(((0 1) (2 3)) (4 5))',
    '(((0 1) (2 3)) ((4 5) 6))',
    '(((0 1) (2 3)) ((4 5) (6 7)))',
    '((((0 1) (2 3)) ((4 5) (6 7))) 8)',
  ];
  for (const [index, shape] of shapes.entries()) t.equal(shapeOf(0, index + 1), shape);
  let wrong = 0;
  for (let count = 2; count <= 70_000; count++) {
    const left = middle(0, count);
    const isPower = 2 ** Math.round(Math.log2(left)) === left;
    if (!isPower || left >= count || 2 * left < count) wrong++;
  }
  t.equal(wrong, 0);
  t.end();
});

t.test('the shape depends on the number of shards only, not on where they begin', (t) => {
  for (const count of [1, 2, 3, 7, 12, 33]) {
    const moved = shapeOf(5, 5 + count).replace(/\d+/g, (shard) => String(Number(shard) - 5));
    t.equal(moved, shapeOf(0, count));
    if (count > 1) t.equal(middle(5, 5 + count), 5 + middle(0, count));
  }
  t.end();
});

t.test('every shard is a leaf once, from left to right, and depth grows with the logarithm', (t) => {
  for (let count = 1; count <= 300; count++) {
    const leaves: number[] = [];
    const depth = foldTree(
      0,
      count,
      (shard) => {
        leaves.push(shard);
        return 0;
      },
      (left, right) => 1 + Math.max(left, right),
    );
    const isInOrder = leaves.length === count && leaves.every((shard, i) => shard === i);
    if (!isInOrder || depth !== Math.ceil(Math.log2(count))) t.fail(`${count} shards`, { leaves, depth });
  }
  t.pass('1 to 300 shards');
  t.end();
});

t.test('an aligned run of 2ᵏ shards inside the first 2ⁿ is a node, whoever computes it', (t) => {
  for (const count of [16, 19, 31]) {
    for (let size = 1; size <= 16; size *= 2) {
      for (let lo = 0; lo + size <= 16; lo += size) {
        const node = shapeOf(lo, lo + size);
        if (!shapeOf(0, count).includes(node)) t.fail(`${lo} … ${lo + size - 1} of ${count}`);
      }
    }
  }
  t.pass('16, 19 and 31 shards');
  t.end();
});

/** All nodes of a tree, written down from the rule: a power of two to the left, the largest below the count. */
function allNodes(lo: number, hi: number): TreeNode[] {
  if (hi - lo === 1) return [{ lo, hi }];
  const left = [32, 16, 8, 4, 2, 1].find((power) => power < hi - lo) ?? 0;
  return [{ lo, hi }, ...allNodes(lo, lo + left), ...allNodes(lo + left, hi)];
}

/** The fewest nodes that make up `lo … hi−1`, by trying all that begin at `lo`. */
function fewest(nodes: readonly TreeNode[], lo: number, hi: number, known: Map<number, number>): number {
  if (lo === hi) return 0;
  const seen = known.get(lo);
  if (seen !== undefined) return seen;
  const starts = nodes.filter((node) => node.lo === lo && node.hi <= hi);
  const best = 1 + Math.min(...starts.map((node) => fewest(nodes, node.hi, hi, known)));
  known.set(lo, best);
  return best;
}

t.test('a node is known among all pairs of numbers, with its path from the root', (t) => {
  let wrong = 0;
  for (let count = 1; count <= 40; count++) {
    const nodes = allNodes(0, count);
    const names = new Set(nodes.map(({ lo, hi }) => `${lo} ${hi}`));
    for (let lo = -1; lo <= count + 1; lo++) {
      for (let hi = -1; hi <= count + 1; hi++) {
        const isNode = names.has(`${lo} ${hi}`);
        const path = pathTo({ lo, hi }, count);
        const above = nodes.filter((node) => node.lo <= lo && hi <= node.hi);
        const expected = isNode ? above.toSorted((a, b) => b.hi - b.lo - (a.hi - a.lo)) : [];
        if (isTreeNode({ lo, hi }, count) !== isNode) wrong++;
        if (JSON.stringify(path) !== JSON.stringify(expected)) wrong++;
      }
    }
  }
  t.equal(wrong, 0);
  for (const [lo, hi] of [
    [0.5, 1],
    [0, 1.5],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
    [2 ** 32, 2 ** 32 + 1],
  ]) {
    t.notOk(isTreeNode({ lo, hi }, 7), `${lo} … ${hi}`);
  }
  t.notOk(isTreeNode({ lo: 0, hi: 1 }, 0), 'a tree without shards has no nodes');
  t.end();
});

t.test('children are the parts that a node is folded from', (t) => {
  t.same(childrenOf({ lo: 0, hi: 7 }), [
    { lo: 0, hi: 4 },
    { lo: 4, hi: 7 },
  ]);
  t.same(childrenOf({ lo: 4, hi: 7 }), [
    { lo: 4, hi: 6 },
    { lo: 6, hi: 7 },
  ]);
  t.end();
});

t.test('every span of every small tree is covered by the fewest nodes, from left to right', (t) => {
  let spans = 0;
  for (let count = 1; count <= 40; count++) {
    const nodes = allNodes(0, count);
    for (let hi = 0; hi <= count; hi++) {
      const known = new Map<number, number>();
      for (let lo = hi; lo >= 0; lo--) {
        const cover = coveringNodes(lo, hi, count);
        const isWhole = cover.reduce((end, node) => (node.lo === end ? node.hi : -1), lo) === hi;
        const isOfNodes = cover.every((node) => nodes.some(({ lo, hi }) => node.lo === lo && node.hi === hi));
        spans++;
        if (!isWhole || !isOfNodes || cover.length !== fewest(nodes, lo, hi, known)) {
          t.fail(`${lo} … ${hi} of ${count}`, { cover });
        }
      }
    }
  }
  t.pass(`${spans} spans`);
  t.same(coveringNodes(0, 8, 8), [{ lo: 0, hi: 8 }], 'an aligned span is one node');
  t.end();
});
