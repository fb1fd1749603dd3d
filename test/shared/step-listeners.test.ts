import t from 'tap';
import { StepListeners } from '../../shared/step-listeners.ts';

function begin() {
  let nowMs = 0;
  let changes = 0;
  const listeners = new StepListeners(
    () => nowMs,
    () => {
      changes += 1;
    },
  );
  const told: string[] = [];
  return {
    listeners,
    told,
    listen: (name: string, perSecond?: number, burst = 1) =>
      listeners.add(
        ({ step }) => told.push(`${name}${step}`),
        perSecond === undefined ? undefined : { perSecond, burst },
      ),
    tell: (step: number, ms: number) => {
      nowMs = ms;
      listeners.tell({ step, workers: [] });
    },
    changes: () => changes,
  };
}

t.test('each listener is told as often as it wants, and the first ones at once', (t) => {
  const { listen, tell, told } = begin();
  listen('a', 10, 3);
  listen('b', 2);
  for (let step = 0; step < 5; step++) tell(step, step);
  t.same(told, ['a0', 'b0', 'a1', 'a2']);
  told.length = 0;
  for (let step = 5; step <= 25; step++) tell(step, 50 * (step - 4));
  t.equal(told.filter((one) => one.startsWith('a')).length, 10, 'in a second and a bit');
  t.equal(told.filter((one) => one.startsWith('b')).length, 2);
  told.length = 0;
  for (let step = 30; step < 50; step++) tell(step, 500 * (step - 27) + (step % 2 === 0 ? 10 : -10));
  t.ok(told.filter((one) => one.startsWith('b')).length >= 19, 'also of those that come a little early');
  t.end();
});

t.test('what is wanted is what the keenest wants; nothing without listeners', (t) => {
  const { listeners, listen, tell, told, changes } = begin();
  t.equal(listeners.perSecond, 0);
  const stops = [listen('a'), listen('b', 20), listen('c', 5)];
  t.equal(listeners.perSecond, 20);
  stops[1]();
  t.equal(listeners.perSecond, 5);
  stops[1]();
  t.equal(changes(), 4, 'to leave twice is to leave once');
  stops[0]();
  stops[2]();
  t.equal(listeners.perSecond, 0);
  tell(1, 1);
  t.same(told, []);
  t.end();
});

t.test('who leaves while others are told is not told', (t) => {
  const { listeners } = begin();
  const told: string[] = [];
  const stop = listeners.add(() => {
    told.push('a');
    stop();
  });
  listeners.add(() => told.push('b'));
  listeners.tell({ step: 1, workers: [] });
  t.same(told, ['a', 'b']);
  t.equal(listeners.perSecond, 2);
  t.end();
});
