/** Times as people write them: `600`, `90s`, `10m`, `1h`, `250ms`. */
import { parseNumber } from '../../shared/calls.ts';
import { quoted, usageError } from '../../shared/errors.ts';
import type { FlagValues } from './flag-values.ts';

const units: Readonly<Record<string, number>> = { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 };
/** What a timer of Node bears is 24 days. */
const mostMs = 20 * 24 * units.h;

/**
 * A flag's time in milliseconds; a number alone means seconds.
 * @param leastMs the shortest that makes sense
 * @throws LockstepError (USAGE)
 */
export function durationMs(flags: FlagValues, name: string, otherwiseMs: number, leastMs = 0): number {
  const text = flags.text(name);
  if (text === undefined) return otherwiseMs;
  const [, number = '', unit = ''] = /^(.*?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = parseNumber(number) * units[unit];
  if (ms >= leastMs && ms <= mostMs) return ms;
  const least = leastMs === 0 ? '0' : `${leastMs} ms`;
  throw usageError(
    `${flags.label(name)}: got ${quoted(text)}, expected seconds, or a time like 90s, 10m or 1h, from ${least} to 480h`,
  );
}
