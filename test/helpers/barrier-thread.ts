/** A worker thread that meets others at a barrier, and says how that went. */
import { parentPort, workerData } from 'node:worker_threads';
import { Barrier, StepAborted } from '../../worker/barrier.ts';

export interface BarrierTask {
  /** The words of the barrier, and a word for each thread: the last time it came to the barrier. */
  readonly words: Int32Array;
  readonly marks: Int32Array;
  readonly rank: number;
  readonly size: number;
  readonly cores: number;
  readonly deadlineMs: number;
  /** How often to meet. */
  readonly times: number;
}

export interface BarrierReport {
  /** How often the thread went through. */
  readonly passed: number;
  /** How often somebody had not come yet, or had gone ahead, when it went through. */
  readonly violations: number;
  /** Why it gave up, or null. */
  readonly aborted: string | null;
}

function meet({ words, marks, rank, size, cores, deadlineMs, times }: BarrierTask): BarrierReport {
  const barrier = new Barrier(words, size, cores, deadlineMs);
  let violations = 0;
  for (let passed = 0; passed < times; passed++) {
    Atomics.store(marks, rank, passed + 1);
    try {
      barrier.wait();
    } catch (error) {
      if (!(error instanceof StepAborted)) throw error;
      return { passed, violations, aborted: error.message };
    }
    // The others may be on their way to the next meeting, but cannot have left it.
    for (let other = 0; other < size; other++) {
      const mark = Atomics.load(marks, other);
      if (mark !== passed + 1 && mark !== passed + 2) violations += 1;
    }
  }
  return { passed: times, violations, aborted: null };
}

parentPort?.postMessage(meet(workerData as BarrierTask));
