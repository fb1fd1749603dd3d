/** When a lost connection is tried again. */
import t from 'tap';
import { retryDelayMs } from '../../../../../coordinator/dashboard/page/logic/reconnect.ts';

t.test('waits double up to ten seconds, and are spread over half of it', (t) => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1000].map((attempt) => retryDelayMs(attempt, 1));
  t.same(longest, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  t.same(
    [0, 5].map((attempt) => retryDelayMs(attempt, 0)),
    [250, 5000],
  );
  t.end();
});
