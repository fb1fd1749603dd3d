import t from 'tap';
import { poll } from '../../../worker/mpi/polling.ts';

t.test('it is asked until it is so', async (t) => {
  let asked = 0;
  t.equal(await poll(() => ++asked === 5, 60_000), true);
  t.equal(asked, 5);
});

t.test('what does not come until the deadline is given up, and is asked once at least', async (t) => {
  let asked = 0;
  t.equal(await poll(() => ++asked < 0, 20), false);
  t.ok(asked > 1, `asked ${asked} times`);
  asked = 0;
  t.equal(await poll(() => ++asked < 0, 0), false);
  t.equal(asked, 1);
  t.equal(await poll(() => true, 0), true);
});
