/** Smoothing of curves. */

/**
 * The exponential moving average in which each earlier point counts `weight` of the next, corrected so that the first
 * points are not drawn to zero (Kingma and Ba, 2014, section 3). Null stays null and counts for nothing.
 * @param weight 0 (as it is) … below 1
 */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    weights = weight * weights + (1 - weight);
    return sum / weights;
  });
}
