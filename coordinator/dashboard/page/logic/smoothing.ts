/** Smoothing of curves. */

/**
 * The exponential moving average in which what lies `reference` steps back counts `weight` of what is now, corrected so
 * that the first points are not drawn to zero (Kingma and Ba, 2014, section 3). A point stands for the steps since the
 * one before, so a curve looks the same when neighbours have become one. Null stays null and counts for nothing.
 * @param steps where the values are, rising, counted from 1
 * @param weight 0 (as it is) … below 1
 */
export function smoothed(
  values: readonly (number | null)[],
  steps: readonly number[],
  weight: number,
  reference: number,
): (number | null)[] {
  let sum = 0;
  let weights = 0;
  let last = 0;
  return values.map((value, i) => {
    if (value === null) return null;
    const kept = weight ** ((steps[i] - last) / reference);
    last = steps[i];
    sum = kept * sum + (1 - kept) * value;
    weights = kept * weights + (1 - kept);
    return weights > 0 ? sum / weights : value;
  });
}
