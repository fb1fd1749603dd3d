import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { RunTrace, traceRate } from '../../coordinator/run-trace.ts';
import type { LockstepError } from '../../shared/errors.ts';
import type { WatchRate } from '../../shared/step-listeners.ts';
import type { TimelineSegment, WorkerTimeline } from '../../shared/timeline.ts';
import { checkTrace } from '../helpers/trace-checker.ts';

const segments: TimelineSegment[] = [
  { phase: 'gather', from: 0, to: 1 },
  { phase: 'forward', from: 1, to: 2.5 },
  { phase: 'waiting', from: 2.5, to: 4 },
];

function worker(
  id: string,
  startMs: number,
  threads: readonly TimelineSegment[][] = [segments],
): WorkerTimeline {
  return { id, name: `worker ${id}`, startMs, threads };
}

function begin(t: Test, mostBytes?: number) {
  const path = join(t.testdir(), 'trace.json');
  const alarms: LockstepError[] = [];
  const trace = new RunTrace(path, 'a run', traceRate, (error) => alarms.push(error), mostBytes);
  const end = () => {
    trace.close();
    return checkTrace(readFileSync(path, 'utf8'));
  };
  return { trace, alarms, end, beginMs: performance.now() };
}

t.test('a worker is a process with its threads, a step a slice with its phases within', (t) => {
  const { trace, end, beginMs } = begin(t);
  const late = segments.map(({ phase, from, to }) => ({ phase, from: from + 0.5, to: to + 0.5 }));
  trace.step({ step: 1, workers: [worker('a', beginMs, [segments, late]), worker('b', beginMs)] });
  trace.step({ step: 2, workers: [worker('b', beginMs + 10), worker('a', beginMs + 10, [segments, late])] });
  const { processes, threads, slices, instants } = end();
  t.same(
    [...processes],
    [
      [1, 'a run'],
      [2, 'worker a'],
      [3, 'worker b'],
    ],
  );
  t.same([...threads.values()], ['run', 'checkpoints', 'thread 0', 'thread 1', 'thread 0']);
  t.equal(slices.length, 2 * 3 * 4);
  const own = slices.filter(({ pid, tid }) => pid === 2 && tid === 2);
  t.same(
    own.map(({ name, args }) => `${name} of ${args.step}`),
    [1, 2].flatMap((step) =>
      [`step ${step}`, 'gather', 'forward', 'waiting'].map((name) => `${name} of ${step}`),
    ),
  );
  const [step, gather, forward, waiting] = own;
  t.equal(step.to - step.from, 4e6, 'four milliseconds');
  t.same([gather.from, forward.from, waiting.from, step.to], [step.from, gather.to, forward.to, waiting.to]);
  t.match(instants, [{ name: 'end', args: { stepsRecorded: 2 } }]);
  t.end();
});

t.test('steps of a worker whose clock is known roughly do not overlap', (t) => {
  const { trace, end, beginMs } = begin(t);
  for (let step = 1; step < 50; step++) {
    const jitterMs = ((7919 * step) % 100) / 50;
    const threads = [segments, segments.slice(step % 3, 3)];
    trace.step({ step, workers: [worker('a', beginMs + 3.5 * step + jitterMs, threads)] });
  }
  t.equal(end().slices.length, 49 * (4 + 1) + 16 * 3 + 17 * 2 + 16 * 1);
  t.end();
});

t.test('the coordinator shows what it does in a step, and what each worker is waited for', (t) => {
  const { trace, end, beginMs } = begin(t);
  const message = (
    at: number,
    worker: string,
    kind: 'partial' | 'total',
    exchange: number,
    bytes: number,
  ) => ({
    ...{ at, worker, kind, exchange, bytes },
  });
  trace.step({
    step: 5,
    workers: [worker('a', beginMs), worker('b', beginMs)],
    coordinator: {
      startMs: beginMs,
      ms: 10,
      segments: [
        { phase: 'merging', from: 3, to: 4 },
        { phase: 'sending', from: 4, to: 5 },
        { phase: 'update', from: 9, to: 10 },
      ],
      messages: [
        message(2, 'a', 'partial', 0, 100),
        message(2.5, 'a', 'partial', 0, 100),
        message(3, 'b', 'partial', 0, 100),
        message(4, 'a', 'total', 0, 60),
        message(4, 'b', 'total', 0, 60),
        message(7, 'b', 'partial', 1, 4000),
        message(8, 'a', 'partial', 1, 4000),
        message(9, 'a', 'total', 1, 5000),
        message(9, 'nobody', 'total', 1, 5000),
      ],
    },
  });
  const { slices, threads } = end();
  const named = (name: string) => [...threads].find(([, one]) => one === name)?.[0];
  const of = (name: string) =>
    slices
      .filter(({ pid, tid }) => `${pid} ${tid}` === named(name))
      .map(({ name, from, to, args }) => [name, (to - from) / 1e6, args.bytesUp, args.bytesDown]);
  t.same(
    of('coordinator').map(([name, ms]) => [name, ms]),
    [
      ['step 5', 10],
      ['merging', 1],
      ['sending', 1],
      ['update', 1],
    ],
  );
  t.same(of('exchanges with worker a'), [
    ['exchange 0', 2.5, 200, 60],
    ['exchange 1', 4, 4000, 5000],
  ]);
  t.same(of('exchanges with worker b'), [
    ['exchange 0', 3, 100, 60],
    ['exchange 1', 3, 4000, 0],
  ]);
  t.end();
});

t.test('epochs, evaluations and checkpoints last, workers come and go in a moment', (t) => {
  const { trace, end, beginMs } = begin(t);
  trace.period({ kind: 'gathering', epoch: 1, fromMs: beginMs, toMs: beginMs + 5 });
  trace.period({ kind: 'training', epoch: 1, fromMs: beginMs + 5, toMs: beginMs + 50 });
  trace.period({ kind: 'evaluation', epoch: 1, fromMs: beginMs + 50, toMs: beginMs + 60 });
  const place = { step: 9, epoch: 1, bytes: 1234 };
  trace.checkpoint({ ...place, isWritten: true, fromMs: beginMs + 55, toMs: beginMs + 65 });
  trace.event('joined', { name: 'mara', workers: 1, nothing: null, list: [1] });
  trace.event('died', { name: 'mara', reason: '"gone"' });
  const report = { epoch: 1, step: 3, samples: 8, loss: 0.5, accuracy: 1, seconds: 0.1, digest: '' };
  trace.steps([{ ...report, loss: 0.75 }, report]);
  trace.steps([]);
  const { slices, instants, counters } = end();
  t.match(slices, [
    { name: 'gathering', tid: 1 },
    { name: 'epoch 1', tid: 1 },
    { name: 'evaluation', tid: 1 },
    { name: 'checkpoint of step 9', tid: 2, args: { ...place, isWritten: true } },
  ]);
  t.same(
    instants.map(({ name, args }) => [name, args]),
    [
      ['joined', { name: 'mara', workers: 1 }],
      ['died', { name: 'mara', reason: '"gone"' }],
      ['end', { stepsRecorded: 0 }],
    ],
  );
  t.match(counters, [{ name: 'loss', value: 0.5 }]);
  t.end();
});

t.test('however many steps it is told of, it takes as many bytes as there is time for', (t) => {
  const { trace, end, beginMs } = begin(t);
  for (let step = 1; step <= 20_000; step++) {
    trace.step({ step, workers: [worker('a', beginMs + 4 * step)] });
  }
  const { slices, instants } = end();
  const elapsedSeconds = (performance.now() - beginMs) / 1000;
  const steps = slices.length / 4;
  t.equal(instants[0].args.stepsRecorded, steps);
  const bytes = 85 * slices.length;
  t.ok(steps > 1000, `${steps} steps`);
  t.ok(bytes < 2 ** 20 * 1.3 + 2 ** 17 * elapsedSeconds, `${bytes} bytes`);
  trace.event('after the end', {});
  t.end();
});

t.test(
  'a flood of what is no step takes as many bytes as there is time for, and the rest is counted',
  (t) => {
    const { trace, end, beginMs } = begin(t);
    const flood = 30_000;
    for (let i = 0; i < flood; i++) {
      trace.event('refused', { address: '192.0.2.1:1234' });
      trace.period({ kind: 'training', epoch: i, fromMs: beginMs, toMs: beginMs });
      trace.checkpoint({ step: i, epoch: 1, bytes: 1, isWritten: true, fromMs: beginMs, toMs: beginMs });
    }
    trace.step({ step: 1, workers: [worker('a', beginMs)] });
    const { slices, instants } = end();
    const elapsedSeconds = (performance.now() - beginMs) / 1000;
    t.ok(
      slices.some(({ name }) => name === 'step 1'),
      'steps have their own room',
    );
    const { leftOut } = instants.at(-1)?.args ?? {};
    const told = instants.filter(({ name }) => name === 'refused').length + slices.length - 4;
    t.equal(Number(leftOut), 3 * flood - told);
    t.ok(90 * told < 2 ** 19 * 1.5 + 2 ** 13 * elapsedSeconds, `${told} of them`);
    t.end();
  },
);

t.test('a worker that is gone for long is forgotten, and is another process when it comes back', (t) => {
  const { trace, end, beginMs } = begin(t);
  const at = (step: number) => beginMs + 4 * step;
  trace.step({ step: 1, workers: [worker('a', at(1)), worker('b', at(1))] });
  for (let step = 2; step <= 66; step++) trace.step({ step, workers: [worker('a', at(step))] });
  trace.step({ step: 67, workers: [worker('a', at(67)), worker('b', at(67))] });
  const { processes } = end();
  t.same(
    [...processes],
    [
      [1, 'a run'],
      [2, 'worker a'],
      [3, 'worker b'],
      [4, 'worker b'],
    ],
  );
  t.end();
});

t.test('it says how many steps it is told of', (t) => {
  const label = (rate: WatchRate): string => {
    const path = join(t.testdir(), 'trace.json');
    new RunTrace(path, 'a run', rate, () => {}).close();
    return /"labels":"([^"]*)"/.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  };
  const end = ' a second, after a minute ever fewer';
  t.equal(label(traceRate), `steps that are recorded: the first 16, then at most 10${end}`);
  t.equal(label({ perSecond: 2, burst: 1 }), `steps that are recorded: at most 2${end}`);
  t.end();
});
