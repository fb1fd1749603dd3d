/** The shape of the reduction tree. */
import t from 'tap';
import { foldTree, middle } from '../../../shared/reduction/tree.ts';

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
