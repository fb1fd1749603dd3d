import t from 'tap';
import { placeAfterKey } from '../../../../../coordinator/dashboard/page/logic/roving.ts';

t.test('arrow keys go about in the square and not out of it', async (t) => {
  const from = { row: 1, column: 2 };
  t.same(placeAfterKey('ArrowLeft', from, 3), { row: 1, column: 1 });
  t.same(placeAfterKey('ArrowRight', from, 3), { row: 1, column: 2 }, 'that was the last');
  t.same(placeAfterKey('ArrowUp', from, 3), { row: 0, column: 2 });
  t.same(placeAfterKey('ArrowDown', from, 3), { row: 2, column: 2 });
  t.same(placeAfterKey('ArrowUp', { row: 0, column: 0 }, 3), { row: 0, column: 0 });
  t.same(placeAfterKey('Home', from, 3), { row: 1, column: 0 });
  t.same(placeAfterKey('End', { row: 1, column: 0 }, 3), { row: 1, column: 2 });
  t.equal(placeAfterKey('Enter', from, 3), null);
});
