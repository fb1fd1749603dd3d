/** The times that flags give. */
import { quoted, usageError } from '../../shared/errors.ts';
import { parseDuration } from '../duration.ts';
import type { FlagValues } from './flag-values.ts';

/** What a timer of Node bears is 24 days. */
const mostMs = 20 * 24 * 3_600_000;

/**
 * A flag's time in milliseconds; a number alone means seconds.
 * @param leastMs the shortest that makes sense
 * @throws LockstepError (USAGE)
 */
export function durationMs(flags: FlagValues, name: string, otherwiseMs: number, leastMs = 0): number {
  const text = flags.text(name);
  if (text === undefined) return otherwiseMs;
  const ms = parseDuration(text);
  if (ms >= leastMs && ms <= mostMs) return ms;
  const least = leastMs === 0 ? '0' : `${leastMs} ms`;
  throw usageError(
    `${flags.label(name)}: got ${quoted(text)}, expected seconds, or a time like 90s, 10m or 1h, from ${least} to 480h`,
  );
}
