/** What the page knows. */
import t from 'tap';
import type { FeedMessage } from '../../../../../coordinator/dashboard/feed.ts';
import {
  mostEvents,
  mostTimelines,
  RunView,
} from '../../../../../coordinator/dashboard/page/logic/run-view.ts';
import {
  busyRun,
  shownEpochs,
  shownFacts,
  shownNow,
  shownPoints,
  shownRun,
  shownTimeline,
  shownWorker,
} from '../../../../helpers/shown-run.ts';

function viewOf(...messages: readonly FeedMessage[]): RunView {
  const view = new RunView();
  for (const message of messages) view.take(message);
  return view;
}

t.test('points replace those from a place on', (t) => {
  const points = shownPoints(80, 8);
  const thinned = shownPoints(80, 16).slice(2);
  const view = viewOf(shownRun(0), { type: 'points', from: 0, points });
  t.same(view.points, points);
  view.take({ type: 'points', from: 2, points: thinned });
  t.same(view.points, [...points.slice(0, 2), ...thinned]);
  t.end();
});

t.test('an epoch that is told twice stands there once', (t) => {
  const [first, second] = shownEpochs(2);
  const view = viewOf(
    shownRun(0),
    { type: 'epoch', epoch: first },
    { type: 'epoch', epoch: second },
    { type: 'epoch', epoch: second },
  );
  t.same(view.epochs, [first, second]);
  t.end();
});

t.test('events and timelines are bounded, the last ones stay', (t) => {
  const view = viewOf(shownRun(0));
  for (let step = 1; step <= 1000; step++) {
    view.take({ type: 'event', event: { step, atMs: step, text: 'x' } });
    view.take({ type: 'timeline', steps: [shownTimeline(step, [shownWorker(0)])] });
  }
  view.take({ type: 'timeline', steps: [shownTimeline(999, []), shownTimeline(1000, [])] });
  t.equal(view.events.length, mostEvents);
  t.equal(view.events.at(-1)?.step, 1000);
  t.same(
    view.timelines.map(({ step }) => step),
    [997, 998, 999, 1000],
  );
  t.equal(view.timelines.length, mostTimelines);
  t.end();
});

t.test('the same run again keeps what is not told again, another run nothing', (t) => {
  const view = viewOf(...busyRun(), { type: 'over', how: 'stopped', reason: 'x' });
  view.take(shownRun(8));
  t.equal(view.over, null);
  t.equal(view.points.length, 1);
  t.ok(view.batchNorm !== null && view.timelines.length > 0);
  view.take(shownRun(8, { facts: { ...shownFacts, recipeId: 'another' } }));
  t.same([view.batchNorm, view.now, view.timelines], [null, null, []]);
  t.end();
});

t.test('a run that goes on keeps the events of the process before, one that begins anew does not', (t) => {
  const event = (step: number, atMs: number) => ({ step, atMs, text: `at ${atMs}` });
  const view = viewOf(shownRun(8, { events: [event(0, 1), event(5, 2), event(8, 3)] }));
  view.take(shownRun(8, { events: [event(5, 4)] }));
  t.same(
    view.events.map(({ atMs }) => atMs),
    [1, 2, 3, 4],
  );
  view.take(shownRun(8, { events: [event(5, 4), event(9, 5)] }));
  t.same(
    view.events.map(({ atMs }) => atMs),
    [1, 2, 3, 4, 5],
    'and what is told again stands there once',
  );
  view.take(shownRun(0, { events: [event(0, 6)] }));
  t.same(
    view.events.map(({ atMs }) => atMs),
    [6],
  );
  t.end();
});

t.test('it says what has changed, and leaves alone what it does not know', (t) => {
  const view = viewOf(shownRun(8));
  t.same(view.take(shownNow(8, [])), ['now']);
  t.same(view.take({ type: 'points', from: 1, points: [] }), ['points']);
  t.same(view.take({ type: 'news of a later version' } as unknown as FeedMessage), []);
  t.end();
});
