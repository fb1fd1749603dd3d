/** How long steps took, counted by limits that double: a few additions for a step. */

/** Seconds; a step counts under the first limit that is not below it, or beyond all of them. */
export const stepLimits: readonly number[] = Array.from({ length: 18 }, (_, i) => 0.0001 * 2 ** i);

export class StepTimes {
  /** By limit, and at the end those beyond. */
  readonly counts: number[] = new Array<number>(stepLimits.length + 1).fill(0);
  sum = 0;
  count = 0;

  add(seconds: number): void {
    const place = stepLimits.findIndex((limit) => seconds <= limit);
    this.counts[place === -1 ? stepLimits.length : place] += 1;
    this.sum += seconds;
    this.count += 1;
  }
}
