/** Waits for an exchange with other ranks: looks again and again, with a deadline, and can be called off. */
import { StepAborted } from '../barrier.ts';
import { words } from '../control.ts';

export interface RankWaitOptions {
  readonly words: Int32Array;
  readonly deadlineMs: number;
  /** False where ranks share cores: who looks again and again takes the core from whom it waits for. */
  readonly spins: boolean;
  /** Called now and then, to show that this thread moves. */
  alive(): void;
}

/** How long it looks again and again before it sleeps between two looks, and how long it sleeps. */
const spinMs = 2;
const sleepMs = 0.05;
/**
 * Who was sent SIGTERM waits no longer than this: it may be that another rank is dead and that the launcher ends the job,
 * which Open MPI does a second after it asks. Until then a checkpoint is to be written.
 */
const partingMs = 400;
/** The exit code of SIGTERM, which is the wish that it leaves. */
const terminated = 143;
/** Looks between two looks at the clock. */
const looksPerClock = 32;

/**
 * Returns true once `isDone` says so, false at the deadline.
 * @throws StepAborted when the step was called off
 */
export function waitFor(
  isDone: () => boolean,
  { words: control, deadlineMs, spins, alive }: RankWaitOptions,
): boolean {
  if (isDone()) return true;
  const startMs = performance.now();
  const spinUntilMs = startMs + (spins ? spinMs : 0);
  let nowMs = startMs;
  while (nowMs - startMs < (Atomics.load(control, words.vote) === terminated ? partingMs : deadlineMs)) {
    if (Atomics.load(control, words.abort) !== 0) throw new StepAborted('the step was called off');
    alive();
    if (nowMs < spinUntilMs) {
      for (let look = 0; look < looksPerClock; look++) if (isDone()) return true;
    } else {
      // Nobody writes this word to wake it: it is for the time.
      Atomics.wait(control, words.problem, 0, sleepMs);
      if (isDone()) return true;
    }
    nowMs = performance.now();
  }
  return false;
}
