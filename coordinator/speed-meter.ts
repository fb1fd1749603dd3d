/** How fast each worker is, from what its last steps took. */

/** Of so many measurements the median counts, so that a single one that is off changes nothing. */
const window = 3;
/** Share of a new median in the average. */
const weight = 0.2;

/**
 * A worker that is planned nothing is not measured either, and would stay out for ever if it was slow for a while.
 * So after so many steps without work it is believed to get faster by this factor a step, until it is tried again.
 */
const patience = 20;
const growth = 1.01;

interface Measured {
  /** Seconds a shard of the last steps, the newest at the end. */
  recent: number[];
  /** Seconds a shard, or null until there is a median. Times add up, speeds do not. */
  average: number | null;
  step: number;
}

export class SpeedMeter {
  readonly #workers = new Map<string, Measured>();

  /** Takes what a worker computed in a step, waiting left out. What cannot be (no shards, no time) is left out, too. */
  observe(workerId: string, step: number, shards: number, seconds: number): void {
    if (!(shards > 0 && seconds > 0 && seconds < Number.POSITIVE_INFINITY)) return;
    const measured = this.#workers.get(workerId) ?? { recent: [], average: null, step };
    this.#workers.set(workerId, measured);
    const perShard = seconds / shards;
    if (step - measured.step > patience && measured.average !== null) {
      // Tried again: what it was before says nothing, and one measurement has to do for a plan.
      measured.recent = [];
      measured.average = perShard;
    }
    measured.step = step;
    measured.recent = [...measured.recent, perShard].slice(-window);
    if (measured.recent.length < window) return;
    const median = measured.recent.toSorted((a, b) => a - b)[(window - 1) / 2];
    measured.average =
      measured.average === null ? median : measured.average + weight * (median - measured.average);
  }

  /** Shards a second that a worker is believed to do at a step, or null where too little was seen of it. */
  shardsPerSecond(workerId: string, step: number): number | null {
    const measured = this.#workers.get(workerId);
    if (measured === undefined || measured.average === null) return null;
    const idleSteps = Math.max(0, step - measured.step - patience);
    return Math.min(growth ** idleSteps / measured.average, Number.MAX_VALUE);
  }

  /** Forgets a worker that has been gone for long. */
  forget(workerId: string): void {
    this.#workers.delete(workerId);
  }
}
