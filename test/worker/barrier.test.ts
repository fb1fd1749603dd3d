import { once } from 'node:events';
import { extname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { abortBarrier, Barrier, resetBarrier, StepAborted } from '../../worker/barrier.ts';
import { words as indices } from '../../worker/control.ts';
import type { BarrierReport, BarrierTask } from '../helpers/barrier-thread.ts';

const longMs = 30_000;
const script = new URL(`../helpers/barrier-thread${extname(import.meta.url)}`, import.meta.url);

const sharedWords = (count: number) => new Int32Array(new SharedArrayBuffer(4 * count));
const newWords = () => sharedWords(256);

/** Starts a thread that meets others; it is ended with the test. */
function startThread(t: Test, task: BarrierTask): Promise<BarrierReport> {
  const worker = new Worker(script, { workerData: task });
  t.teardown(() => worker.terminate());
  return once(worker, 'message').then(([report]) => report as BarrierReport);
}

/** A thread of a team of two without cores to spin on; the test is the other one. */
function startSleeper(t: Test, words: Int32Array): Promise<BarrierReport> {
  const two = { rank: 0, size: 2, cores: 0, deadlineMs: longMs, times: 1 };
  return startThread(t, { words, marks: Int32Array.of(1, 1), ...two });
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + longMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it did not come true within ${longMs} ms: ${condition}`);
    await turn();
  }
}

const sleepersOf = (words: Int32Array) => Atomics.load(words, indices.barrierSleepers);

/** Waits as one of two; true if that ended with the step. */
function isAborted(words: Int32Array, deadlineMs: number): boolean {
  try {
    new Barrier(words, 2, 0, deadlineMs).wait();
    return false;
  } catch (error) {
    if (error instanceof StepAborted) return true;
    throw error;
  }
}

for (const { name, size, cores } of [
  { name: 'two that spin', size: 2, cores: 2 },
  { name: 'three that sleep', size: 3, cores: 0 },
  { name: 'five that sleep', size: 5, cores: 2 },
]) {
  t.test(`${name} meet 3000 times, nobody goes through before all have come`, async (t) => {
    const words = newWords();
    const marks = sharedWords(size);
    const times = 3000;
    const tasks = Array.from({ length: size }, (_, rank) => ({
      rank,
      size,
      cores,
      deadlineMs: longMs,
      times,
    }));
    const reports = await Promise.all(tasks.map((task) => startThread(t, { words, marks, ...task })));
    for (const report of reports) t.strictSame(report, { passed: times, violations: 0, aborted: null });
    t.equal(sleepersOf(words), 0, 'nobody is left asleep');
  });
}

t.test('alone, there is nobody to wait for', async (t) => {
  const words = newWords();
  new Barrier(words, 1, 1, longMs).wait();
  t.strictSame(words, newWords());
});

t.test('a wake-up that was meant for the meeting before lets nobody through', async (t) => {
  const words = newWords();
  const report = startSleeper(t, words);
  let wakeUps = 0;
  let isOver = false;
  report.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  // The last to arrive wakes sleepers after it let them go; by then they may sleep at the next meeting.
  await until(() => {
    wakeUps += Atomics.notify(words, indices.barrierPhase);
    return isOver || wakeUps === 3;
  });
  t.equal(wakeUps, 3, 'woken three times for nothing, it slept on');
  if (!isOver) new Barrier(words, 2, 0, longMs).wait();
  t.strictSame(await report, { passed: 1, violations: 0, aborted: null });
});

t.test('an abort frees who sleeps at the barrier, and who comes to it', async (t) => {
  const words = newWords();
  const report = startSleeper(t, words);
  await until(() => sleepersOf(words) === 1);
  abortBarrier(words);
  t.match(await report, { passed: 0, aborted: 'the step was called off' });
  t.ok(isAborted(words, longMs));
});

t.test('after an abort and a reset all can meet again', async (t) => {
  const words = newWords();
  const first = startSleeper(t, words);
  await until(() => sleepersOf(words) === 1);
  abortBarrier(words);
  await first;
  resetBarrier(words);
  const second = startSleeper(t, words);
  await until(() => sleepersOf(words) === 1);
  new Barrier(words, 2, 0, longMs).wait();
  t.match(await second, { passed: 1, aborted: null });
});

t.test('who was let go stays let go, though the next step is called off before it is awake', async (t) => {
  const words = newWords();
  const report = startSleeper(t, words);
  await until(() => sleepersOf(words) === 1);
  // The last to arrive lets the others go, and fails before it wakes them.
  Atomics.store(words, indices.barrierCount, 0);
  Atomics.add(words, indices.barrierPhase, 1);
  abortBarrier(words);
  t.match(await report, { passed: 1, aborted: null }, 'a step that one thread has ended is ended for all');
});

t.test('the deadline ends a wait for somebody who does not come', async (t) => {
  const start = performance.now();
  t.throws(
    () => new Barrier(newWords(), 2, 2, 40).wait(),
    new StepAborted('the other threads did not come to the barrier within 40 ms'),
  );
  t.ok(performance.now() - start >= 39, 'not before it');
});

t.test('who comes after the deadline of another does not go through alone', async (t) => {
  const words = newWords();
  t.ok(isAborted(words, 10), 'the first gives up');
  t.ok(isAborted(words, 10), 'the second, who comes later, must not take it for waiting');
  resetBarrier(words);
  t.ok(isAborted(words, 10), 'nor does anything of it stay behind after a reset');
});
