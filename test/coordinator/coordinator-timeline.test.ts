import t from 'tap';
import { CoordinatorTimelines } from '../../coordinator/coordinator-timeline.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

function begin(isDue = (committed: number) => committed % 2 === 0) {
  const clock = new ManualClock();
  const timelines = new CoordinatorTimelines(isDue, () => clock.nowMs());
  const take = (ms: number) => () => {
    clock.advance(ms);
    return ms;
  };
  return { clock, timelines, take };
}

t.test('a step that is due has what was done in it, and the messages', (t) => {
  const { clock, timelines, take } = begin();
  clock.advance(100);
  timelines.begin(4);
  clock.advance(5);
  t.equal(timelines.time('merging', take(3)), 3, 'what was done comes back');
  timelines.message('partial', 'a', 0, 64);
  clock.advance(1);
  timelines.time('update', take(2));
  timelines.message('total', 'b', 1, 32);
  t.equal(timelines.of(4), undefined, 'it goes on');
  timelines.end();
  t.same(timelines.of(4), {
    startMs: 100,
    ms: 11,
    segments: [
      { phase: 'merging', from: 5, to: 8 },
      { phase: 'update', from: 9, to: 11 },
    ],
    messages: [
      { kind: 'partial', worker: 'a', exchange: 0, bytes: 64, at: 8 },
      { kind: 'total', worker: 'b', exchange: 1, bytes: 32, at: 11 },
    ],
  });
  t.end();
});

t.test('of any other step nothing is kept, nor of one that was given up', (t) => {
  const { timelines, take } = begin();
  timelines.begin(3);
  t.equal(timelines.time('sending', take(1)), 1);
  timelines.message('total', 'a', 0, 1);
  timelines.end();
  t.equal(timelines.of(3), undefined);
  timelines.begin(4);
  timelines.time('sending', take(1));
  timelines.begin(5);
  timelines.end();
  t.equal(timelines.of(4), undefined);
  t.end();
});

t.test('neither a step nor all of them grow without limit', (t) => {
  const { timelines, take } = begin(() => true);
  for (let step = 0; step < 10; step++) {
    timelines.begin(step);
    for (let i = 0; i < 2000; i++) {
      timelines.time('merging', take(0));
      timelines.message('partial', 'a', 0, 1);
    }
    timelines.end();
  }
  const kept = Array.from({ length: 10 }, (_, step) => timelines.of(step)).filter((one) => one !== undefined);
  t.equal(kept.length, 4);
  for (const one of kept) t.same([one.segments.length, one.messages.length], [512, 512]);
  t.end();
});
