/** A recorded step is whole: its segments are all of its time, in order, and nobody reads half of one. */
import t, { type Test } from 'tap';
import { wasm } from '../../shared/kernels/webassembly.ts';
import {
  type MemoryPlan,
  recordedSegments,
  recordedSteps,
  recordingBytes,
} from '../../shared/model/memory-plan.ts';
import { newSpan } from '../../shared/reduction/span.ts';
import { trainStep } from '../../shared/step.ts';
import { type Phase, phases, type TimelineSegment } from '../../shared/timeline.ts';
import { Recorder } from '../../worker/recorder.ts';
import { RecordingReader, RecordingWriter } from '../../worker/recording.ts';
import { knownStep } from '../helpers/known-step.ts';

function newRings(threads = 1) {
  const size = Math.ceil((threads * recordingBytes) / 65_536);
  const memory = new wasm.Memory({ initial: size, maximum: size, shared: true });
  const recordings = Array.from({ length: threads }, (_, rank) => rank * recordingBytes);
  const plan = { recordings } as unknown as MemoryPlan;
  return { memory, plan, reader: new RecordingReader(memory, plan) };
}

/** A thread of known steps that records multiples of `every`. */
function newThread(rings: ReturnType<typeof newRings>, rank: number, every: () => number) {
  const step = knownStep();
  const recorder = new Recorder(rings.memory, rings.plan, rank, every, step.nowMs);
  const { clock } = recorder;
  const watched = { model: clock.watchModel(step.model), group: clock.watchGroup(step.group) };
  const take = (committed: number): void => {
    const isRecorded = recorder.begin(committed);
    const { model, group } = isRecorded ? watched : step;
    trainStep(model, newSpan(16), group);
    if (isRecorded) recorder.end();
  };
  return { ...step, recorder, take };
}

function sumsOf(segments: readonly TimelineSegment[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { phase, from, to } of segments) sums[phase] = Math.round((sums[phase] ?? 0) + to - from);
  return sums;
}

function holdWithoutGaps(t: Test, segments: readonly TimelineSegment[]): void {
  for (const [i, { phase, from, to }] of segments.entries()) {
    t.ok(to >= from && phases.includes(phase), `${phase} from ${from} to ${to}`);
    if (i > 0) t.equal(from, segments[i - 1].to, 'it begins where the one before it ends');
    if (i > 0) t.not(phase, segments[i - 1].phase, 'neighbours of one phase are one');
  }
}

t.test('the segments of a step are all of its time, without gaps and overlaps, each in its phase', (t) => {
  const rings = newRings();
  const thread = newThread(rings, 0, () => 1);
  thread.takes(1e6)();
  const beginMs = thread.nowMs();
  thread.take(41);
  const endMs = thread.nowMs();
  const [recorded, ...more] = rings.reader.take();
  t.same(more, []);
  t.equal(recorded.committed, 41);
  const [segments] = recorded.threads;
  holdWithoutGaps(t, segments);
  t.equal(segments[0].from, 0);
  t.equal(segments.at(-1)?.to, endMs - beginMs);
  const expected: Partial<Record<Phase, number>> = {
    gather: 1,
    forward: 2 + 128,
    loss: 2048,
    exchange: 8 + 8 + 16 + 32 + 32 + 64,
    backward: 4 + 256,
    update: 512 + 512 + 1024 + 4096,
    waiting: 3 * 8192 + 16_384 + 131_072,
  };
  const { other, ...sums } = sumsOf(segments);
  t.same(sums, expected);
  t.notOk(other, 'nothing else took time');
  t.end();
});

t.test('of steps it records multiples of the number it is told, and none at 0', (t) => {
  const rings = newRings();
  let every = 0;
  const thread = newThread(rings, 0, () => every);
  for (let step = 0; step < 10; step++) thread.take(step);
  t.same(rings.reader.take(), []);
  every = 4;
  for (let step = 10; step < 30; step++) thread.take(step);
  t.same(
    rings.reader.take().map(({ committed }) => committed),
    [12, 16, 20, 24, 28],
  );
  t.end();
});

t.test('where nobody takes them it records as many as there is room for, and goes on afterwards', (t) => {
  const rings = newRings();
  const thread = newThread(rings, 0, () => 1);
  for (let lap = 0; lap < 5; lap++) {
    const first = 1000 * lap;
    for (let step = first; step < first + 2 * recordedSteps; step++) thread.take(step);
    const taken = rings.reader.take();
    t.same(
      taken.map(({ committed }) => committed),
      Array.from({ length: recordedSteps }, (_, i) => first + i),
    );
    for (const { threads } of taken) t.same(sumsOf(threads[0]), sumsOf(taken[0].threads[0]));
  }
  t.end();
});

t.test('a step of more segments than there is room for is told to its end: the last one grows', (t) => {
  const rings = newRings();
  const writer = new RecordingWriter(rings.memory, rings.plan, 0);
  writer.begin(7, 100);
  const count = 3 * recordedSegments;
  for (let i = 0; i < count; i++) writer.add(i % 2 === 0 ? 'forward' : 'waiting', 100 + i, 101 + i);
  writer.end();
  const [{ threads }] = rings.reader.take();
  t.equal(threads[0].length, recordedSegments);
  holdWithoutGaps(t, threads[0]);
  t.equal(Math.round(threads[0].at(-1)?.to ?? 0), count);
  t.end();
});

t.test('what took next to no time counts to the phase before it', (t) => {
  const rings = newRings();
  const writer = new RecordingWriter(rings.memory, rings.plan, 0);
  writer.begin(0, 0);
  writer.add('other', 0, 0.0001); // the first has none before it
  writer.add('forward', 0.0001, 1);
  writer.add('other', 1, 1.001);
  writer.add('forward', 1.001, 2);
  writer.add('other', 2, 2.1);
  writer.end();
  const [{ threads }] = rings.reader.take();
  t.same(
    threads[0].map(({ phase, to }) => `${phase} ${to.toFixed(4)}`),
    ['other 0.0001', 'forward 2.0000', 'other 2.1000'],
  );
  t.end();
});

t.test('a step that was called off is never read, and the next is recorded anew', (t) => {
  const rings = newRings();
  const thread = newThread(rings, 0, () => 1);
  thread.recorder.begin(5);
  thread.recorder.clock.timed('gather', thread.takes(17));
  t.same(rings.reader.take(), [], 'it is not whole');
  thread.take(5);
  const [{ threads }] = rings.reader.take();
  t.equal(sumsOf(threads[0]).gather, 1);
  t.end();
});

t.test('a step is told once all threads have ended it, on one clock', (t) => {
  const rings = newRings(2);
  const [one, other] = [0, 1].map((rank) => newThread(rings, rank, () => 1));
  one.takes(5)();
  one.take(0);
  one.take(1);
  t.same(rings.reader.take(), [], 'the other thread is not done');
  other.take(0);
  const [step, ...more] = rings.reader.take();
  t.same(more, []);
  t.equal(step.committed, 0);
  t.same(
    step.threads.map(([first]) => Math.round(first.from)),
    [5, 0],
    'from the beginning of the first of them',
  );
  other.take(1);
  t.same(
    rings.reader.take().map(({ committed }) => committed),
    [1],
  );
  t.end();
});

t.test('what one thread alone recorded is dropped', (t) => {
  const rings = newRings(2);
  const [one, other] = [0, 1].map((rank) => newThread(rings, rank, () => 1));
  one.take(0);
  one.take(1);
  other.take(1);
  t.same(
    rings.reader.take().map(({ committed }) => committed),
    [1],
  );
  other.take(0);
  t.same(rings.reader.take(), [], 'it is over');
  one.take(2);
  rings.reader.forget();
  other.take(2);
  t.same(rings.reader.take(), [], 'half of it was forgotten');
  t.end();
});
