import { words } from './control.ts';

/** What an abort adds to the phase; meetings add 1, so the two can be told apart. */
const abortStride = 2 ** 20;

/** Thrown out of a step when the main thread calls it off. */
export class StepAborted extends Error {}

/**
 * How long a thread looks again and again before it sleeps. A barrier within a step takes microseconds when
 * every thread has a core; the sleep and its wake-up cost about 30.
 */
const spinMs = 0.2;
/** Looks between two looks at the clock. */
const spinsPerLook = 100;

/**
 * Meets all threads of a team: spins briefly, then sleeps. The last to arrive lets the others go by raising the
 * phase. It never blocks for ever: the main thread calls a step off by `abort`, and the deadline is for the case
 * that the main thread itself is gone.
 */
export class Barrier {
  readonly #words: Int32Array;
  readonly #size: number;
  readonly #deadlineMs: number;
  readonly #spinMs: number;

  /** @param cores threads beyond this number do not spin: they would take the core from those they wait for */
  constructor(control: Int32Array, size: number, cores: number, deadlineMs: number) {
    this.#words = control;
    this.#size = size;
    this.#deadlineMs = deadlineMs;
    this.#spinMs = size > cores ? 0 : spinMs;
  }

  /** @throws StepAborted when the step was called off or the deadline passed */
  wait(): void {
    const phase = Atomics.load(this.#words, words.barrierPhase);
    this.#checkAbort();
    if (this.#size === 1) return;
    if (Atomics.add(this.#words, words.barrierCount, 1) === this.#size - 1) {
      Atomics.store(this.#words, words.barrierCount, 0);
      Atomics.add(this.#words, words.barrierPhase, 1);
      // A sleeper counts itself before it looks at the phase for the last time, so none is missed.
      if (Atomics.load(this.#words, words.barrierSleepers) > 0) {
        Atomics.notify(this.#words, words.barrierPhase);
      }
      return;
    }
    if (!this.#spin(phase)) this.#sleep(phase);
    // Who was let go is let go, even if the next step was called off before it noticed.
    const passed = Atomics.load(this.#words, words.barrierPhase) - phase;
    if ((passed & (abortStride - 1)) === 0) this.#checkAbort();
  }

  #spin(phase: number): boolean {
    if (this.#spinMs === 0) return false;
    const end = performance.now() + this.#spinMs;
    do {
      for (let i = 0; i < spinsPerLook; i++) {
        if (!this.#isAt(phase)) return true;
      }
    } while (performance.now() < end);
    return false;
  }

  #sleep(phase: number): void {
    Atomics.add(this.#words, words.barrierSleepers, 1);
    const end = performance.now() + this.#deadlineMs;
    // A wake-up may have been meant for the meeting before: only the phase tells.
    for (let leftMs = this.#deadlineMs; this.#isAt(phase) && leftMs > 0; leftMs = end - performance.now()) {
      Atomics.wait(this.#words, words.barrierPhase, phase, leftMs);
    }
    Atomics.sub(this.#words, words.barrierSleepers, 1);
    if (this.#isAt(phase)) {
      // It was counted as waiting and now leaves, so nobody may go through this barrier any more.
      abortBarrier(this.#words);
      throw new StepAborted(`the other threads did not come to the barrier within ${this.#deadlineMs} ms`);
    }
  }

  #isAt(phase: number): boolean {
    return Atomics.load(this.#words, words.barrierPhase) === phase;
  }

  #checkAbort(): void {
    if (Atomics.load(this.#words, words.abort) !== 0) throw new StepAborted('the step was called off');
  }
}

/**
 * Calls off the step that a team is in: whoever waits, or comes to wait, leaves it. To be taken back by
 * {@link resetBarrier} once all threads have left.
 */
export function abortBarrier(control: Int32Array): void {
  Atomics.store(control, words.abort, 1);
  Atomics.add(control, words.barrierPhase, abortStride);
  Atomics.notify(control, words.barrierPhase);
}

export function resetBarrier(control: Int32Array): void {
  Atomics.store(control, words.barrierCount, 0);
  Atomics.store(control, words.barrierSleepers, 0);
  Atomics.store(control, words.abort, 0);
}
