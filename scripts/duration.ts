/** Times as people write them: `600`, `90s`, `10m`, `1h`, `250ms`. */
import { parseNumber } from '../shared/calls.ts';

const units: Readonly<Record<string, number>> = { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds; a number alone means seconds. NaN for anything else. */
export function parseDuration(text: string): number {
  const [, number = '', unit = ''] = /^(.*?)(ms|s|m|h)?$/s.exec(text) ?? [];
  return parseNumber(number) * units[unit];
}
