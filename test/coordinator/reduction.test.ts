import t from 'tap';
import { Reduction } from '../../coordinator/reduction.ts';
import type { TreeNode } from '../../shared/reduction/tree.ts';

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
