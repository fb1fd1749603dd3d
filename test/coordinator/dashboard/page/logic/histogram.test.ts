/** How values are spread. */
import t from 'tap';
import { histogram } from '../../../../../coordinator/dashboard/page/logic/histogram.ts';

t.test('every value is counted once, the greatest in the last bin', (t) => {
  t.same(histogram([0, 1, 2, 3, 4], 4), { min: 0, max: 4, median: 2, counts: [1, 1, 1, 2] });
  t.equal(histogram([1, 2, 3, 10], 3)?.median, 2.5);
  t.end();
});

t.test('values that are all the same have one bin, and none has none', (t) => {
  t.same(histogram([1, 1, 1], 40), { min: 1, max: 1, median: 1, counts: [3] });
  t.equal(histogram([], 40), null);
  t.end();
});
