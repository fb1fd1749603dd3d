/** What readers are told, when, and what happens while there are none. */
import t from 'tap';
import { batchNormMs, Dashboard, mostReaders, tellMs } from '../../../coordinator/dashboard/dashboard.ts';
import type { FeedMessage } from '../../../coordinator/dashboard/feed.ts';
import {
  mostColumns,
  mostTimelines,
  mostWorkers,
  timelineBytes,
} from '../../../coordinator/dashboard/present.ts';
import { readerBytes } from '../../../coordinator/dashboard/reader.ts';
import { unpackTensor } from '../../../shared/model/tensors.ts';
import { anEpoch, aStep, aWorker, PlayedReader, PlayedRun, playedRun } from '../../helpers/dashboard.ts';
import { hostileNames } from '../../helpers/hostile-names.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const run = await playedRun();

function played() {
  const clock = new ManualClock();
  const live = new PlayedRun(run);
  const dashboard = new Dashboard(clock, () => 1_700_000_000_000);
  dashboard.start(run, live, 'played');
  return { clock, live, dashboard };
}

function joined(dashboard: Dashboard): PlayedReader {
  const reader = new PlayedReader();
  dashboard.join(reader);
  return reader;
}

function last<Type extends FeedMessage['type']>(reader: PlayedReader, type: Type) {
  const found = reader.messages.findLast((message) => message.type === type);
  return found as Extract<FeedMessage, { type: Type }> | undefined;
}

const confusion = Array.from({ length: 10 }, (_, i) => Array.from({ length: 10 }, (_, j) => i * j));
const evaluation = { samples: 40, loss: 1, accuracy: 0.5, correct: 20, badShard: null, confusion };

t.test('without readers the run is not asked for anything, and no time is kept', (t) => {
  const { clock, live, dashboard } = played();
  dashboard.steps([aStep(1), aStep(2)]);
  dashboard.epoch(anEpoch(1));
  dashboard.event('mara joined');
  dashboard.waitFor('waiting for 1 more worker');
  clock.advance(60_000);
  t.same(live.asked, { workers: 0, flat: 0, watched: 0, unwatched: 0 });
  t.equal(clock.waiting, 0);
  const reader = joined(dashboard);
  t.ok(live.asked.workers > 0 && live.asked.flat > 0 && live.asked.watched === 1, 'with one it is');
  dashboard.leave(reader);
  t.equal(live.asked.unwatched, 1);
  t.equal(clock.waiting, 0);
  const before = { ...live.asked };
  clock.advance(60_000);
  t.same(live.asked, before, 'and then no more');
  t.end();
});

t.test('a new reader is told everything at once, and then what is new, once a second', (t) => {
  const { clock, live, dashboard } = played();
  dashboard.steps([aStep(1), aStep(2)]);
  dashboard.epoch(anEpoch(1));
  dashboard.evaluation(evaluation, 7);
  dashboard.event('mara joined');
  live.steps = 7;
  live.place = { epoch: 2, step: 0, first: 0, seconds: 1, loss: 0.25 };
  live.workersNow = [aWorker];
  const reader = joined(dashboard);
  t.same(reader.types(), ['run', 'now', 'batchNorm']);
  const [everything, now] = reader.take();
  t.match(everything, {
    facts: { recipeName: 'played' },
    points: [{ step: 1 }, { step: 2 }],
    epochs: [{ epoch: 1, testAccuracy: 0.5 }],
    events: [
      { step: 0, atMs: 1_700_000_000_000, text: 'the run begins: 70 steps' },
      { text: 'epoch 1 is done: test accuracy 50.00 %' },
      { text: 'mara joined' },
    ],
    confusion: { epoch: 1, step: 7, counts: confusion },
  });
  const { seconds: _, ...shown } = aWorker;
  t.match(now, {
    activity: 'training',
    waitingFor: null,
    epoch: 2,
    stepOfEpoch: 0,
    step: 7,
    loss: 0.25,
    workers: [shown],
  });
  clock.advance(tellMs - 1);
  t.equal(reader.messages.length, 0);
  dashboard.steps([aStep(3)]);
  dashboard.event('mara left');
  clock.advance(1);
  t.same(reader.types(), ['points', 'event', 'now']);
  reader.take();
  clock.advance(tellMs);
  t.same(reader.types(), ['now'], 'what is true now is told though nothing happened');
  t.end();
});

t.test('what is waited for is said while it is waited for', (t) => {
  const { clock, live, dashboard } = played();
  live.now = 'waiting';
  dashboard.waitFor('waiting for 2 more workers');
  const reader = joined(dashboard);
  t.equal(last(reader, 'now')?.waitingFor, 'waiting for 2 more workers');
  live.now = 'training';
  clock.advance(tellMs);
  t.equal(last(reader, 'now')?.waitingFor, null);
  t.end();
});

t.test('running statistics come with their layers, at most every two seconds', (t) => {
  const { clock, live, dashboard } = played();
  const reader = joined(dashboard);
  const told = last(reader, 'batchNorm');
  t.same(
    told?.layers.map(({ layer }) => layer),
    ['1', '4'],
  );
  const tensor = run.architecture.tensors.find(({ name }) => name === '4.running_var');
  if (tensor === undefined || live.vector === null) throw new Error('no such tensor');
  const expected = [...unpackTensor(live.vector, tensor)];
  t.equal(expected.length, 5);
  told?.layers[1].variance.forEach((value, i) => {
    t.ok(Math.abs(value - expected[i]) <= 1e-5 * expected[i]);
  });
  for (let ms = 0; ms < 3 * batchNormMs; ms += tellMs) clock.advance(tellMs);
  t.equal(reader.messages.filter(({ type }) => type === 'batchNorm').length, 4);
  t.equal(live.asked.flat, 4);
  reader.take();
  live.vector = null;
  clock.advance(batchNormMs);
  t.notOk(reader.types().includes('batchNorm'), 'none where the run is too fast');
  t.end();
});

t.test('the last eight timelines are told, as far as they fit', (t) => {
  const { clock, live, dashboard } = played();
  const reader = joined(dashboard);
  clock.advance(tellMs);
  t.notOk(reader.types().includes('timeline'));
  for (let step = 1; step <= 10; step++) live.timed({ step, workers: [] });
  clock.advance(tellMs);
  t.same(
    last(reader, 'timeline')?.steps.map(({ step }) => step),
    [3, 4, 5, 6, 7, 8, 9, 10],
  );
  t.equal(mostTimelines, 8);
  reader.take();
  clock.advance(tellMs);
  t.same(reader.types(), ['now'], 'and once');
  const wide = Array.from({ length: 800 }, (_, i) => ({
    id: String(i),
    name: 'x'.repeat(64),
    startMs: 0,
    threads: [[]],
  }));
  live.timed({ step: 11, workers: wide });
  live.timed({ step: 12, workers: wide });
  t.ok(2 * JSON.stringify(wide).length < timelineBytes);
  live.timed({ step: 13, workers: wide });
  clock.advance(tellMs);
  t.ok(JSON.stringify(last(reader, 'timeline')).length <= timelineBytes + 100);
  t.equal(last(reader, 'timeline')?.steps.at(-1)?.step, 13);
  live.timed({ step: 14, workers: [...wide, ...wide, ...wide, ...wide] });
  reader.take();
  clock.advance(tellMs);
  t.same(reader.types(), ['now'], 'none that does not fit by itself');
  const threads = [[{ phase: 'forward', from: 0, to: 1 / 3 }] as const];
  live.timed({ step: 15, workers: [{ id: 'x', name: 'mara', startMs: 5, threads }] });
  clock.advance(tellMs);
  t.same(
    last(reader, 'timeline')?.steps.at(-1)?.workers[0].threads,
    [[{ phase: 'forward', from: 0, to: 0.333 }]],
    'to the microsecond',
  );
  t.end();
});

/** Of a worker that computes 100 samples between two tellings. */
const speed = (100 * 1000) / tellMs;

t.test('what a worker did is forgotten once it is not told of any more', (t) => {
  const { clock, live, dashboard } = played();
  const reader = joined(dashboard);
  const tell = (shards: number | null) => {
    live.workersNow = shards === null ? [] : [{ ...aWorker, shards }];
    clock.advance(tellMs);
    return last(reader, 'now')?.workers[0]?.samplesPerSecond;
  };
  for (let i = 1; i <= 10; i++) tell(7 * i);
  t.equal(tell(77), speed);
  t.equal(tell(null), undefined);
  t.equal(tell(84), 0, 'it begins anew');
  t.equal(tell(91), speed);
  t.end();
});

t.test('how fast each worker is: on average at first, then what it does', (t) => {
  const { clock, live, dashboard } = played();
  // 7 shards of an epoch are 100 samples.
  live.workersNow = [{ ...aWorker, shards: 70 }];
  dashboard.steps(Array.from({ length: 70 }, (_, i) => aStep(i + 1)));
  const reader = joined(dashboard);
  t.equal(last(reader, 'now')?.workers[0].samplesPerSecond, Math.round(1000 / 0.7));
  for (let i = 1; i <= 10; i++) {
    live.workersNow = [{ ...aWorker, shards: 70 + 7 * i }];
    clock.advance(tellMs);
    dashboard.steps([aStep(70 + i, 1, 100)]);
  }
  clock.advance(tellMs);
  const now = last(reader, 'now');
  t.equal(now?.workers[0].samplesPerSecond, speed);
  t.equal(now?.samplesPerSecond, speed);
  live.workersNow = [{ ...aWorker, shards: 140, state: 'gone' }];
  clock.advance(20_000);
  t.equal(last(reader, 'now')?.workers[0].samplesPerSecond, 0);
  t.end();
});

t.test(
  'the time left is that of the steps left at the pace of the last minute, with what lies between',
  (t) => {
    const { clock, live, dashboard } = played();
    const left = () => last(joined(dashboard), 'now')?.secondsLeft;
    t.equal(left(), null, 'before the first step nobody knows');
    const train = (steps: number, ms: number): void => {
      for (let i = 0; i < steps; i++) {
        clock.advance(ms);
        dashboard.steps([aStep(++live.steps, 1, 100 / 7)]);
      }
    };
    train(8, 10_000);
    t.equal(left(), 620, '62 steps of 10 s');
    train(30, 2_000);
    t.equal(left(), 64, '32 of 2 s: what was long ago does not count');
    clock.advance(20_000);
    train(1, 2_000);
    t.ok((left() ?? 0) > 31 * 2.5, 'an evaluation does');
    live.now = 'waiting';
    t.equal(left(), null, 'nobody knows when they come');
    dashboard.waitFor('waiting for 1 more worker');
    clock.advance(600_000);
    dashboard.waitFor(null);
    live.now = 'training';
    t.equal(left(), null);
    train(2, 1_000);
    t.equal(left(), 29, 'and the time until they came is none of it');
    t.end();
  },
);

t.test('a model without running statistics says so', async (t) => {
  const bare = await playedRun(null, { model: 'dense(10)', batchSize: 16, epochs: 10 });
  const dashboard = new Dashboard(new ManualClock());
  dashboard.start(bare, new PlayedRun(bare), 'bare');
  t.same(last(joined(dashboard), 'batchNorm'), { type: 'batchNorm', step: 0, layers: [] });
});

t.test('a reader that has stopped is sent nothing, and is told what it missed when it goes on', (t) => {
  const { clock, dashboard } = played();
  const reader = joined(dashboard);
  reader.take();
  reader.isFree = false;
  for (let step = 1; step <= 10_000; step++) {
    dashboard.steps([aStep(step)]);
    if (step % 100 === 0) clock.advance(tellMs);
  }
  t.equal(reader.bytes.length, 1, 'no more than what it had before it stopped');
  reader.isFree = true;
  clock.advance(tellMs);
  const points = last(reader, 'points');
  t.equal(points?.from, 0);
  t.equal(points?.points.at(-1)?.step, 10_000);
  t.end();
});

t.test('one telling is never more than a reader may cost', (t) => {
  const { live, clock, dashboard } = played();
  const name = '\ud800'.repeat(80);
  live.workersNow = Array.from({ length: 900 }, (_, i) => ({
    ...aWorker,
    id: `${i}`.repeat(8),
    name,
    kernels: name,
  }));
  for (let step = 1; step <= 4_000; step++)
    dashboard.steps([aStep(1e9 + step, -1.2345678901234567e-100 * step, 63, Math.PI * 1e5)]);
  for (let epoch = 1; epoch <= 500; epoch++)
    dashboard.epoch({ ...anEpoch(epoch), loss: -Math.PI * 1e-100, testLoss: -Math.E * 1e-100 });
  for (let i = 0; i < 300; i++) dashboard.event('\ud800"\\€'.repeat(500));
  const reader = joined(dashboard);
  live.timed({
    step: 1,
    workers: [{ id: 'x', name: 'x'.repeat(timelineBytes - 200), startMs: 0, threads: [] }],
  });
  clock.advance(tellMs);
  clock.advance(tellMs);
  t.comment(`at most ${Math.max(...reader.bytes)} bytes`);
  t.ok(Math.max(...reader.bytes) <= readerBytes);
  t.equal(last(reader, 'now')?.workers.length, mostWorkers);
  t.ok(last(reader, 'timeline') !== undefined, 'what does not fit beside all else comes later');
  t.ok(mostColumns * 2 * 12 < readerBytes / 4, 'and so do running statistics');
  t.end();
});

t.test(
  'a hundred hostile names arrive as the strings that they are, and in events without what moves a cursor',
  (t) => {
    const { live, dashboard } = played();
    const names = hostileNames();
    live.workersNow = names.map((name, i) => ({ ...aWorker, id: String(i), name }));
    for (const name of names) dashboard.event(`${name} joined`);
    const reader = joined(dashboard);
    t.same(
      last(reader, 'now')?.workers.map(({ name }) => name),
      names,
    );
    const events = last(reader, 'run')?.events ?? [];
    t.equal(events.length, 1 + names.length, 'and the beginning');
    for (const { text } of events) t.notMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    t.end();
  },
);

t.test('readers that know the same are sent the same bytes', (t) => {
  const { clock, dashboard } = played();
  const sent: Uint8Array[][] = [[], []];
  const readers = sent.map((parts) => ({
    isFree: true,
    send: (more: readonly Uint8Array[]) => parts.push(...more),
    end: () => {},
  }));
  for (const reader of readers) dashboard.join(reader);
  dashboard.steps([aStep(1)]);
  clock.advance(tellMs);
  t.equal(sent[0].at(-2), sent[1].at(-2), 'not only equal bytes');
  t.match(Buffer.from(sent[0].at(-2) ?? []).toString(), /"points"/);
  t.end();
});

t.test('at the end everybody is told how, also who is slow and who comes late', (t) => {
  const { clock, live, dashboard } = played();
  const quick = joined(dashboard);
  const slow = joined(dashboard);
  slow.isFree = false;
  dashboard.steps([aStep(1)]);
  dashboard.end('failed', 'training diverged at step 2');
  live.now = 'over';
  dashboard.end('finished', 'this comes too late');
  t.ok(quick.isEnded);
  t.same(quick.types().slice(3), ['points', 'now', 'over']);
  t.same(quick.messages.at(-1), { type: 'over', how: 'failed', reason: 'training diverged at step 2' });
  t.notOk(slow.isEnded);
  slow.drain();
  t.same(slow.types().slice(3), ['points', 'now', 'over']);
  const late = joined(dashboard);
  t.same(late.types(), ['run', 'now', 'over']);
  t.ok(late.isEnded);
  t.equal(clock.waiting, 0);
  t.equal(live.asked.watched, live.asked.unwatched);
  t.end();
});

t.test('there is room for sixteen readers, once there is a run', (t) => {
  const empty = new Dashboard(new ManualClock());
  t.notOk(empty.hasRoom);
  t.notOk(empty.isBusy);
  empty.event('nobody hears this');
  empty.waitFor(null);
  empty.end('failed', 'it never began');
  const { dashboard, live } = played();
  const readers = Array.from({ length: mostReaders }, () => {
    t.ok(dashboard.hasRoom);
    return joined(dashboard);
  });
  t.notOk(dashboard.hasRoom);
  dashboard.leave(readers[3]);
  t.ok(dashboard.hasRoom);
  t.equal(live.asked.watched, 1, 'steps are timed once for all of them');
  for (const [activity, isBusy] of [
    ['waiting', false],
    ['training', true],
    ['evaluating', true],
    ['over', false],
  ] as const) {
    live.now = activity;
    t.equal(dashboard.isBusy, isBusy, activity);
  }
  t.end();
});
