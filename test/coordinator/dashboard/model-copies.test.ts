/** However many ask for the model, there are few copies of it. */
import t from 'tap';
import { ModelCopies, mostCopies } from '../../../coordinator/dashboard/model-copies.ts';
import { PlayedRun, playedRun } from '../../helpers/dashboard.ts';

t.test('the newest model, but never more than two copies at once', async (t) => {
  const live = new PlayedRun(await playedRun());
  const copies = new ModelCopies();
  const first = copies.take(live);
  t.equal(first?.steps, 0);
  t.same(first?.bytes, new Uint8Array(live.vector?.buffer ?? new ArrayBuffer(0)));
  t.equal(copies.take(live), first, 'the same model is copied once');
  live.steps = 1;
  const second = copies.take(live);
  t.equal(second?.steps, 1);
  live.steps = 2;
  t.equal(copies.take(live), second, 'with two on their way, the newer of them');
  t.equal(live.asked.flat, mostCopies);
  for (let i = 0; i < 2; i++) if (first !== null) copies.giveBack(first);
  const third = copies.take(live);
  t.equal(third?.steps, 2, 'with one of them there, a new one');
  live.vector = null;
  live.steps = 3;
  t.equal(copies.take(live), third);
  t.equal(new ModelCopies().take(live), null, 'none where it cannot be copied');
});
