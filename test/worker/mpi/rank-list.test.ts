import t from 'tap';
import { listRanks } from '../../../worker/mpi/rank-list.ts';

t.test('ranks are listed by runs of three and more, and not without end', (t) => {
  t.equal(listRanks([3]), 'rank 3');
  t.equal(listRanks([0, 1]), 'ranks 0 and 1');
  t.equal(listRanks([0, 1, 2]), 'ranks 0–2');
  t.equal(listRanks([0, 1, 2, 5, 7]), 'ranks 0–2, 5 and 7');
  t.equal(listRanks([1, 2, 3, 4, 8, 9, 10]), 'ranks 1–4 and 8–10');
  const odd = Array.from({ length: 20 }, (_, i) => 2 * i);
  t.equal(listRanks(odd), 'ranks 0, 2, 4, 6, 8, 10, 12 and 13 more');
  t.end();
});
