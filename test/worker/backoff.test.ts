import t from 'tap';
import { backoffMs } from '../../worker/backoff.ts';

t.test('waits grow from a quarter of a second to ten seconds, less up to a half by chance', (t) => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 7, 100, 1e6].map((attempt) => backoffMs(attempt, 0));
  t.same(longest, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
  t.equal(backoffMs(0, 1), 125);
  t.equal(backoffMs(9, 1), 5000);
  t.end();
});
