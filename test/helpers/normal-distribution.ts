/** The normal distribution in binary64. */

/** φ(z). */
export function density(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * Φ(z) − ½ = φ(z) · (z + z³ ÷ 3 + z⁵ ÷ (3 · 5) + …) (Marsaglia, "Evaluating the normal distribution", 2004):
 * terms of one sign, so all but the last digits of binary64 are right for |z| < 6.
 */
export function distanceFromMedian(z: number): number {
  let term = z;
  let sum = z;
  for (let k = 3; Math.abs(term) > Math.abs(sum) * 1e-18; k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  return density(z) * sum;
}

/**
 * The z with Φ(z) − ½ = q, by Newton's method from a value near it.
 * @throws Error when it does not settle
 */
export function quantile(q: number, near: number): number {
  let z = near;
  for (let step = 0; step < 50; step++) {
    const change = (distanceFromMedian(z) - q) / density(z);
    z -= change;
    if (Math.abs(change) <= 1e-9 * Math.abs(z)) return z; // the next change is about the square of this one
  }
  throw new Error(`no quantile found for ${q} near ${near}`);
}
