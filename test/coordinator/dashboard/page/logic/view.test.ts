/** What part of its places a chart shows. */
import t from 'tap';
import {
  extent,
  nearest,
  spanOf,
  viewOf,
  widened,
} from '../../../../../coordinator/dashboard/page/logic/view.ts';

const places = [2, 4, 6, 8, 100];

t.test('the nearest place is found', (t) => {
  t.same(
    [0, 2, 3, 3.1, 60, 1e9].map((value) => nearest(places, value)),
    [0, 0, 0, 1, 4, 4],
  );
  t.equal(nearest([], 3), null);
  t.end();
});

t.test('what is zoomed to is shown, and everything where that is no more than a point', (t) => {
  t.same(viewOf(places, [3, 8]), [1, 3]);
  t.same(viewOf(places, [-5, 4]), [0, 1]);
  t.same(viewOf(places, [5, 6]), [0, 4]);
  t.same(viewOf(places, [200, 300]), [0, 4]);
  t.same(viewOf(places, null), [0, 4]);
  t.equal(viewOf([], [1, 2]), null);
  t.end();
});

t.test('a view is widened around a place, and stays within', (t) => {
  t.same(widened([0, 100], 50, 0.5, 101), [25, 75]);
  t.same(widened([0, 100], 2, 0.5, 101), [0, 50]);
  t.same(widened([0, 100], 99, 0.5, 101), [50, 100]);
  t.same(widened([25, 75], 50, 2, 101), null);
  t.same(widened([4, 6], 5, 0.5, 101), [4, 6], 'three places are the fewest');
  t.same(widened([0, 0], 0, 0.5, 1), null);
  t.end();
});

t.test('one place stands in the middle', (t) => {
  t.same(extent([7], [0, 0]), [0, 14]);
  t.same(extent(places, [1, 3]), [4, 8]);
  t.same(extent([], null), [0, 1]);
  t.end();
});

t.test('values span what is in view', (t) => {
  const curves = [
    [9, 3, null, 4],
    [null, null, 2, 50],
  ];
  t.same(spanOf(curves, [1, 2]), [2, 3]);
  t.same(spanOf(curves, [0, 3]), [2, 50]);
  t.equal(spanOf([[null, 1]], [0, 0]), null);
  t.equal(spanOf([], null), null);
  t.end();
});
