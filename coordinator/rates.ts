/** Samples a second of whoever computes, from counts that only grow. Pure: the time comes in from outside. */

/** Points kept of a window, so that watching often costs no more than watching seldom. */
const mostPoints = 64;

interface Point {
  readonly ms: number;
  readonly samples: number;
}

export class Rates {
  readonly #windowMs: number;
  /** By who computes: when the count had grown, oldest first, at least one. */
  readonly #points = new Map<string, Point[]>();

  /** @param windowMs what is older counts only where there is nothing newer */
  constructor(windowMs = 5_000) {
    this.#windowMs = windowMs;
  }

  /** Takes a count of all samples so far. One that is smaller than the last begins anew. */
  observe(id: string, nowMs: number, samples: number): void {
    const points = this.#points.get(id);
    const last = points?.at(-1);
    if (points === undefined || last === undefined || samples < last.samples) {
      this.#points.set(id, [{ ms: nowMs, samples }]);
      return;
    }
    if (samples === last.samples) return;
    const before = points.at(-2);
    if (before !== undefined && last.ms - before.ms < this.#windowMs / mostPoints) points.pop();
    points.push({ ms: nowMs, samples });
    while (points.length > 2 && points[1].ms <= nowMs - this.#windowMs) points.shift();
  }

  /**
   * Samples a second over the window, 0 where nothing has grown. What comes step by step is measured from step to step,
   * so long steps do not make it jump; it falls once nothing has come for longer than between any two of them.
   */
  perSecond(id: string, nowMs: number): number {
    const points = this.#points.get(id) ?? [];
    if (points.length < 2) return 0;
    const [first] = points;
    const last = points[points.length - 1];
    const longestMs = Math.max(...points.slice(1).map(({ ms }, i) => ms - points[i].ms));
    const endMs = Math.max(last.ms, nowMs - longestMs);
    if (endMs - last.ms > this.#windowMs || endMs <= first.ms) return 0;
    return (1000 * (last.samples - first.samples)) / (endMs - first.ms);
  }

  /** Forgets those who are not among these. */
  forget(known: Iterable<string>): void {
    const ids = new Set(known);
    for (const id of this.#points.keys()) if (!ids.has(id)) this.#points.delete(id);
  }
}
