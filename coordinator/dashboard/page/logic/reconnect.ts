/** When to try again after a connection was lost. */

/** The first wait, and the longest. */
const firstMs = 500;
const longestMs = 10_000;

/**
 * Milliseconds until attempt number `attempt` (from 0): doubled each time up to ten seconds, and somewhere between half of
 * that and all of it, so that many pages do not come back at one moment.
 * @param random 0 … 1
 */
export function retryDelayMs(attempt: number, random: number): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  return whole * (0.5 + random / 2);
}
