/** Partials that come in any order and cut in any way become the total that the tree gives. */
import fc from 'fast-check';
import t from 'tap';
import { areFinite, firstDifference } from '../../coordinator/bits.ts';
import type { Merged } from '../../coordinator/merger.ts';
import { type Outcome, Reduction } from '../../coordinator/reduction.ts';
import { coveringNodes, foldTree, pathTo, type TreeNode } from '../../shared/reduction/tree.ts';
import { seed } from '../helpers/kernels.ts';
import { drawFloats, randomWords } from '../helpers/values.ts';

t.comment(`fast-check seed ${seed}`);

function add(left: Float32Array, right: Float32Array): Merged {
  const values = left.map((value, i) => value + right[i]);
  return { values, isFinite: areFinite(values) };
}

/** The value of a node by the definition. */
function fold(shards: readonly Float32Array[], { lo, hi }: TreeNode): Float32Array {
  return foldTree(
    lo,
    hi,
    (shard) => shards[shard],
    (left, right) => add(left, right).values,
  );
}

function drawShards(count: number, start: number): Float32Array[] {
  const random = randomWords(start);
  return Array.from({ length: count }, () => drawFloats(5, random, 'mild'));
}

/** Every node of the tree over so many shards. */
function nodesOf(shardCount: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  foldTree<TreeNode>(
    0,
    shardCount,
    (shard) => push({ lo: shard, hi: shard + 1 }),
    (left, right) => push({ lo: left.lo, hi: right.hi }),
  );
  function push(node: TreeNode): TreeNode {
    nodes.push(node);
    return node;
  }
  return nodes;
}

/** What arrives in a step: each of some spans as the nodes that cover it, some of them twice, in any order. */
const arrivals = fc
  .record({
    shardCount: fc.integer({ min: 1, max: 40 }),
    cuts: fc.array(fc.nat(40), { maxLength: 8 }),
    again: fc.array(fc.nat(), { maxLength: 6 }),
    start: fc.nat(),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ shardCount, cuts, again, start, order }) => {
    const ends = [0, ...cuts.map((cut) => cut % (shardCount + 1)), shardCount].toSorted((a, b) => a - b);
    const cover = ends.slice(1).flatMap((end, i) => coveringNodes(ends[i], end, shardCount));
    const nodes = [...cover, ...again.map((i) => cover[i % cover.length])];
    const keyed = nodes.map((node) => ({ node, key: order.next().value }));
    return {
      shards: drawShards(shardCount, start),
      nodes: keyed.toSorted((a, b) => a.key - b.key).map(({ node }) => node),
    };
  });

interface Reducer {
  accept(node: TreeNode, values: Float32Array): unknown;
  readonly total: Float32Array | null;
}

/** Holds that a reducer gives the total of the tree. */
function totals(newReducer: (shardCount: number) => Reducer): fc.IProperty<unknown> {
  return fc.property(arrivals, ({ shards, nodes }) => {
    const reducer = newReducer(shards.length);
    for (const node of nodes) reducer.accept(node, fold(shards, node));
    const expected = fold(shards, { lo: 0, hi: shards.length });
    if (reducer.total === null) throw new Error('no total');
    const place = firstDifference(reducer.total, expected);
    if (place !== null)
      throw new Error(`float ${place}: ${reducer.total[place]}, expected ${expected[place]}`);
  });
}

t.test('the total is the fold by the tree for any cut, any order, and duplicates', (t) => {
  fc.assert(
    totals((shardCount) => new Reduction(shardCount, add)),
    { seed, numRuns: 2000 },
  );
  t.pass('2000 cases');
  t.end();
});

/** Reductions with a fault, each of which the property above has to find. */
const faults: Record<string, (shardCount: number) => Reducer> = {
  'a sum in the order of arrival': () => {
    const seen = new Set<number>();
    let total: Float32Array | null = null;
    return {
      accept({ lo }, values) {
        if (!seen.has(lo)) total = total === null ? values : add(total, values).values;
        seen.add(lo);
      },
      get total() {
        return total;
      },
    };
  },
  'a sum from left to right': () => {
    const values = new Map<number, Float32Array>();
    return {
      accept: ({ lo }, partial) => values.set(lo, partial),
      get total() {
        const sorted = [...values.entries()].toSorted(([a], [b]) => a - b).map(([, partial]) => partial);
        return sorted.reduce((sum, partial) => add(sum, partial).values);
      },
    };
  },
  'a duplicate that is applied': (shardCount) => {
    const reduction = new Reduction(shardCount, add);
    let extra: Float32Array | null = null;
    return {
      accept(node, values) {
        if (reduction.accept(node, values) === 'duplicate') extra = values;
      },
      get total() {
        const { total } = reduction;
        return total === null || extra === null ? total : add(total, extra).values;
      },
    };
  },
  'a lost last shard': (shardCount) => {
    const reduction = new Reduction(shardCount, (left, right, node) =>
      node.hi === shardCount && node.hi - node.lo === 2 ? add(left, new Float32Array(5)) : add(left, right),
    );
    return reduction;
  },
  'a tree cut in halves': (shardCount) => {
    const leaves = new Map<number, Float32Array>();
    const half = (lo: number, hi: number): Float32Array => {
      if (hi - lo === 1) return leaves.get(lo) ?? new Float32Array(5);
      const split = Math.ceil((lo + hi) / 2);
      return add(half(lo, split), half(split, hi)).values;
    };
    return {
      // What comes whole is laid into its first shard.
      accept: ({ lo }, values) => leaves.set(lo, values),
      get total() {
        return half(0, shardCount);
      },
    };
  },
};

for (const [fault, newReducer] of Object.entries(faults)) {
  t.test(`that property finds ${fault}`, (t) => {
    const { failed, numRuns } = fc.check(totals(newReducer), { seed, numRuns: 2000 });
    t.ok(failed, `in case ${numRuns}`);
    t.end();
  });
}

/**
 * What a reduction holds, by definition: which nodes received something that counts. A node is known if it received
 * or both of its children are known.
 */
class Model {
  readonly received = new Set<string>();
  readonly #shardCount: number;

  constructor(shardCount: number) {
    this.#shardCount = shardCount;
  }

  isKnown({ lo, hi }: TreeNode): boolean {
    if (this.received.has(`${lo} ${hi}`)) return true;
    if (hi - lo === 1) return false;
    const below = nodesOf(hi - lo).map((node) => ({ lo: lo + node.lo, hi: lo + node.hi }));
    const left = below.find(
      (node) => node.lo === lo && node.hi < hi && below.some((b) => b.lo === node.hi && b.hi === hi),
    );
    if (left === undefined) throw new Error('a node without children');
    return this.isKnown(left) && this.isKnown({ lo: left.hi, hi });
  }

  accept(node: TreeNode): Outcome {
    if (this.isKnown(node)) return 'duplicate';
    if (pathTo(node, this.#shardCount).some((above) => this.isKnown(above))) return 'covered';
    this.received.add(`${node.lo} ${node.hi}`);
    return 'accepted';
  }

  drop({ lo, hi }: TreeNode): boolean {
    return this.received.delete(`${lo} ${hi}`);
  }

  isMissing(shard: number): boolean {
    return pathTo({ lo: shard, hi: shard + 1 }, this.#shardCount).every((node) => !this.isKnown(node));
  }
}

/** What is wrong with the list of missing nodes, or null. */
function flawOfMissing(missing: readonly TreeNode[], model: Model, shardCount: number): string | null {
  const shards = missing.flatMap(({ lo, hi }) => Array.from({ length: hi - lo }, (_, i) => lo + i));
  const expected = Array.from({ length: shardCount }, (_, i) => i).filter((shard) => model.isMissing(shard));
  if (shards.join() !== expected.join()) return `missing ${shards}, expected ${expected}`;
  for (const node of missing) {
    const parent = pathTo(node, shardCount).at(-2);
    if (parent === undefined) continue;
    const isWhole =
      shards.filter((shard) => parent.lo <= shard && shard < parent.hi).length === parent.hi - parent.lo;
    if (isWhole) return `${node.lo} … ${node.hi - 1} is not the largest node that is missing`;
  }
  return null;
}

t.test('outcomes, values, and what is missing fit the definition, whatever comes and is dropped', (t) => {
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const actions = fc.array(fc.record({ isDrop: fc.nat(9).map((n) => n < 3), pick: fc.nat() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 13 }), fc.nat(), actions, (shardCount, start, actions) => {
      const shards = drawShards(shardCount, start);
      const nodes = nodesOf(shardCount);
      const reduction = new Reduction(shardCount, add);
      const model = new Model(shardCount);
      for (const { isDrop, pick } of actions) {
        const node = nodes[pick % nodes.length];
        const expected = isDrop ? model.drop(node) : model.accept(node);
        const got = isDrop ? reduction.drop(node) : reduction.accept(node, fold(shards, node));
        count(String(got));
        if (got !== expected) throw new Error(`${node.lo} … ${node.hi - 1}: ${got}, expected ${expected}`);
        for (const node of nodes) {
          const value = reduction.valueAt(node);
          if ((value !== null) !== model.isKnown(node))
            throw new Error(`${node.lo} … ${node.hi - 1} is known: ${value !== null}`);
          if (value !== null && firstDifference(value, fold(shards, node)) !== null)
            throw new Error('other bits');
        }
        const flaw = flawOfMissing(reduction.missing(), model, shardCount);
        if (flaw !== null) throw new Error(flaw);
        if ((reduction.missing().length === 0) !== (reduction.total !== null))
          throw new Error('total or missing');
      }
    }),
    { seed, numRuns: 500 },
  );
  t.comment(JSON.stringify(counts));
  for (const what of ['accepted', 'duplicate', 'covered', 'true', 'false'])
    t.ok((counts[what] ?? 0) > 100, what);
  t.end();
});

t.test('a value with other bits is a conflict, wherever the value there comes from', (t) => {
  const shards = drawShards(4, seed);
  const [left, right, root] = [
    { lo: 0, hi: 2 },
    { lo: 2, hi: 4 },
    { lo: 0, hi: 4 },
  ];
  const reduction = new Reduction(4, add);
  const other = (node: TreeNode) => fold(shards, node).map((value, i) => (i === 4 ? value + 1 : value));
  t.equal(reduction.accept(left, fold(shards, left)), 'accepted');
  t.equal(reduction.accept(left, other(left)), 'conflict', 'received');
  t.equal(reduction.accept({ lo: 3, hi: 4 }, shards[3]), 'accepted');
  t.equal(reduction.accept({ lo: 2, hi: 3 }, shards[2]), 'accepted');
  t.equal(reduction.accept(right, fold(shards, right)), 'duplicate', 'a parent after its children');
  t.equal(reduction.accept(right, other(right)), 'conflict', 'merged');
  t.equal(reduction.accept(root, other(root)), 'conflict', 'the total');
  t.equal(reduction.accept(root, fold(shards, root)), 'duplicate');
  t.same(reduction.total, fold(shards, root), 'what came first stays');
  t.end();
});

t.test('siblings are merged as soon as both are there, once, left with right', (t) => {
  const shards = drawShards(7, seed);
  const merges: string[] = [];
  const reduction = new Reduction(7, (left, right, node) => {
    merges.push(`${node.lo}–${node.hi - 1}`);
    const split = [node.lo + 1, node.lo + 2, node.lo + 4].find(
      (middle) => 2 * (middle - node.lo) >= node.hi - node.lo,
    );
    t.same(left, fold(shards, { lo: node.lo, hi: split ?? 0 }));
    t.same(right, fold(shards, { lo: split ?? 0, hi: node.hi }));
    return add(left, right);
  });
  const seen = [6, 5, 4, 3, 2, 1, 0].map((shard) => {
    reduction.accept({ lo: shard, hi: shard + 1 }, shards[shard]);
    return merges.splice(0).join(' ');
  });
  t.same(seen, ['', '', '4–5 4–6', '', '2–3', '', '0–1 0–3 0–6']);
  t.equal(reduction.mergedValues().length, 6);
  t.ok(reduction.mergedValues().some((values) => values === reduction.total));
  t.end();
});

t.test('a total that came whole is not free for reuse', (t) => {
  const [values] = drawShards(1, seed);
  const reduction = new Reduction(3, add);
  reduction.accept({ lo: 0, hi: 3 }, values);
  t.equal(reduction.total, values);
  t.same(reduction.mergedValues(), []);
  t.end();
});

t.test('values that are not finite are told by node, and a total that overflowed has none', (t) => {
  const ones = () => new Float32Array(5).fill(1);
  const reduction = new Reduction(4, add);
  t.equal(reduction.mergedIsFinite, null);
  reduction.accept({ lo: 0, hi: 2 }, ones());
  reduction.accept({ lo: 2, hi: 3 }, ones().with(4, Number.NaN));
  reduction.accept({ lo: 3, hi: 4 }, ones());
  t.equal(reduction.mergedIsFinite, false);
  t.same(reduction.nonFiniteNodes(), [{ lo: 2, hi: 3 }]);
  t.equal(reduction.accept({ lo: 2, hi: 3 }, ones().with(4, Number.NaN)), 'duplicate', 'NaN is confirmed');
  t.ok(reduction.drop({ lo: 2, hi: 3 }));
  t.equal(reduction.mergedIsFinite, null);
  t.same(reduction.missing(), [{ lo: 2, hi: 3 }]);
  reduction.accept({ lo: 2, hi: 3 }, ones());
  t.equal(reduction.mergedIsFinite, true);

  const large = new Reduction(2, add);
  large.accept({ lo: 0, hi: 1 }, ones().fill(3e38));
  large.accept({ lo: 1, hi: 2 }, ones().fill(3e38));
  t.equal(large.mergedIsFinite, false);
  t.same(large.nonFiniteNodes(), []);

  const whole = new Reduction(2, add);
  whole.accept({ lo: 0, hi: 2 }, ones().with(0, Number.POSITIVE_INFINITY));
  t.equal(whole.mergedIsFinite, null, 'nobody has looked');
  t.same(whole.nonFiniteNodes(), [{ lo: 0, hi: 2 }]);
  t.end();
});

t.test('what is no node of the tree is refused', (t) => {
  const reduction = new Reduction(5, add);
  t.throws(
    () => reduction.accept({ lo: 1, hi: 3 }, new Float32Array(5)),
    /shards 1 … 2 are no node of a tree over 5/,
  );
  t.throws(() => reduction.accept({ lo: 4, hi: 6 }, new Float32Array(5)), /no node/);
  t.notOk(reduction.drop({ lo: 1, hi: 3 }));
  t.end();
});

const node = (lo: number, hi: number): TreeNode => ({ lo, hi });
const one = (value: number) => Float32Array.of(value);
const sums = (shards: number) =>
  new Reduction(shards, ([left], [right]) => ({ values: one(left + right), isFinite: true }));

t.test('siblings merge by the tree, whatever came when; the total is made of what came', (t) => {
  const reduction = sums(5);
  t.equal(reduction.accept(node(4, 5), one(1e8)), 'accepted');
  t.equal(reduction.accept(node(2, 4), one(1)), 'accepted');
  t.equal(reduction.total, null);
  t.same(reduction.missing(), [node(0, 2)]);
  t.equal(reduction.accept(node(1, 2), one(1)), 'accepted');
  t.equal(reduction.accept(node(0, 1), one(1)), 'accepted');
  t.same(reduction.total, one(3 + 1e8));
  t.same(reduction.parts(), [node(0, 1), node(1, 2), node(2, 4), node(4, 5)]);
  t.end();
});

t.test('a node that comes whole after one of its children takes its place', (t) => {
  const reduction = sums(2);
  t.equal(reduction.accept(node(0, 1), one(1)), 'accepted');
  t.equal(reduction.accept(node(0, 2), one(3)), 'accepted');
  t.equal(reduction.accept(node(1, 2), one(2)), 'covered');
  t.same(reduction.parts(), [node(0, 2)], 'and is counted once');
  t.end();
});

t.test('what comes twice is compared', (t) => {
  const reduction = sums(2);
  reduction.accept(node(0, 1), one(1));
  t.equal(reduction.accept(node(0, 1), one(1)), 'duplicate');
  t.equal(reduction.accept(node(0, 1), one(2)), 'conflict');
  t.same(reduction.valueAt(node(0, 1)), one(1), 'the first counts');
  t.end();
});

t.test('NaN gives way to a number, at the node itself and below one that was received whole', (t) => {
  for (const [bad, good] of [
    [node(0, 2), node(0, 2)],
    [node(0, 2), node(0, 1)],
  ]) {
    const reduction = sums(4);
    reduction.accept(bad, one(Number.NaN));
    reduction.accept(node(2, 4), one(1));
    t.ok(Number.isNaN(reduction.total?.[0]), 'it was merged already');
    t.equal(reduction.accept(good, one(5)), 'corrected');
    t.same(reduction.valueAt(good), one(5));
    t.same(reduction.nonFiniteNodes(), []);
    t.equal(reduction.accept(good, one(Number.NaN)), 'conflict', 'but a number never to NaN');
  }
  t.end();
});
