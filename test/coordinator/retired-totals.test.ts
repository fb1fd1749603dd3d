import t from 'tap';
import { RetiredTotals } from '../../coordinator/retired-totals.ts';

function newRetired() {
  const recycled: [number, Float32Array][] = [];
  const merger = (exchange: number) => ({
    recycle: (array: Float32Array) => void recycled.push([exchange, array]),
  });
  return { recycled, retired: new RetiredTotals([merger(0), merger(1)]) };
}

t.test('arrays go back to the merger of their exchange, once', (t) => {
  const { recycled, retired } = newRetired();
  const [a, b, c] = [1, 2, 3].map((length) => new Float32Array(length));
  retired.add([[a], [b, c]]);
  t.same(recycled, [], 'not before they have left');
  retired.recycle();
  t.same(recycled, [
    [0, a],
    [1, b],
    [1, c],
  ]);
  retired.recycle();
  t.equal(recycled.length, 3);
  t.end();
});

t.test('a connection that never drains does not make them grow without limit', (t) => {
  const { recycled, retired } = newRetired();
  const arrays = Array.from({ length: 100 }, () => new Float32Array(1));
  for (const array of arrays) retired.add([[array], []]);
  retired.recycle();
  t.ok(recycled.length < 10, `${recycled.length} kept`);
  t.equal(recycled.at(-1)?.[1], arrays.at(-1), 'the newest');
  t.end();
});
