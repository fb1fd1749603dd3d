/** Rows of tables. */
import t from 'tap';
import { mostRows, thinnedPlaces } from '../../../../../coordinator/dashboard/page/logic/thinning.ts';

t.test('few rows are all there, many are thinned evenly, from the first to the last', (t) => {
  t.same(thinnedPlaces(0), []);
  t.same(thinnedPlaces(3), [0, 1, 2]);
  t.same(thinnedPlaces(9, 3), [0, 4, 8]);
  for (const count of [mostRows, mostRows + 1, 1_999, 100_003]) {
    const places = thinnedPlaces(count);
    t.equal(places.length, mostRows);
    t.equal(new Set(places).size, mostRows, 'none twice');
    t.same([places[0], places.at(-1)], [0, count - 1]);
  }
  t.end();
});
