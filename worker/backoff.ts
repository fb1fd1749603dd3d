const firstMs = 250;
const mostMs = 10_000;

/**
 * How long to wait before the next of several attempts (from 0): twice as long each time, up to 10 s, and a random half of
 * it less, so that a hundred workers that lost the same coordinator do not come back in the same moment.
 * @param random 0 … 1
 */
export function backoffMs(attempt: number, random: number): number {
  const ms = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 16));
  return ms * (1 - random / 2);
}
