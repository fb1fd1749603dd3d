/** What is said of a worker. */
import t from 'tap';
import { staleMs, stateOf } from '../../../../../coordinator/dashboard/page/logic/worker-words.ts';

t.test('a worker that is silent for more than three seconds is marked, unless it is marked already', (t) => {
  const words = (silentMs: number | null) =>
    (['working', 'joining', 'late', 'behind', 'gone'] as const).map(
      (state) => stateOf({ state, silentMs }).word,
    );
  t.same(words(null), ['working', 'joining', 'late', 'behind', 'gone']);
  t.same(words(staleMs), words(null));
  t.same(words(staleMs + 1), ['silent', 'silent', 'late', 'behind', 'gone']);
  t.equal(stateOf({ state: 'working', silentMs: staleMs + 1 }).mark, 'warning');
  t.end();
});
