/** How often which values occur. */

export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly median: number;
  /** Of equally wide bins from `min` to `max`; one bin where all values are the same. */
  readonly counts: readonly number[];
}

/** Null where there is no value. */
export function histogram(values: readonly number[], bins: number): Histogram | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted[sorted.length - 1]];
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  if (min === max) return { min, max, median, counts: [values.length] };
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    counts[Math.min(bins - 1, Math.floor(((value - min) / (max - min)) * bins))] += 1;
  }
  return { min, max, median, counts };
}
