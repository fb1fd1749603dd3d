/** Who wants to be told of steps that were timed, and how often. */
import type { StepTimeline } from './timeline.ts';

export type StepListener = (timeline: StepTimeline) => void;

export interface WatchRate {
  /** So many steps a second at most. */
  readonly perSecond: number;
  /** So many more at once after a pause, and in the beginning. */
  readonly burst: number;
}

/** Enough to look at. */
export const defaultRate: WatchRate = { perSecond: 2, burst: 1 };

interface Listening extends WatchRate {
  readonly listener: StepListener;
  /** Steps that it may be told of now. */
  credit: number;
  sinceMs: number;
}

export class StepListeners {
  readonly #nowMs: () => number;
  readonly #changed: () => void;
  readonly #all = new Set<Listening>();

  /** @param changed told when the rate that is wanted may have changed */
  constructor(nowMs: () => number, changed: () => void) {
    this.#nowMs = nowMs;
    this.#changed = changed;
  }

  /** Adds a listener, until what is returned is called; to do so again does nothing. */
  add(listener: StepListener, rate: WatchRate = defaultRate): () => void {
    const one = { listener, ...rate, credit: rate.burst, sinceMs: this.#nowMs() };
    this.#all.add(one);
    this.#changed();
    return () => {
      if (this.#all.delete(one)) this.#changed();
    };
  }

  /** Steps a second that somebody wants; 0 where nobody listens. */
  get perSecond(): number {
    return Math.max(0, ...[...this.#all].map(({ perSecond }) => perSecond));
  }

  /** Tells all whose turn it is. */
  tell(timeline: StepTimeline): void {
    const nowMs = this.#nowMs();
    for (const one of [...this.#all]) {
      // What is left over counts: steps come about as often as they are wanted, some of them a little early.
      const credit = one.credit + ((nowMs - one.sinceMs) / 1000) * one.perSecond;
      one.credit = Math.min(one.burst + 0.5, credit);
      one.sinceMs = nowMs;
      if (one.credit < 1) continue;
      one.credit -= 1;
      one.listener(timeline);
    }
  }
}
