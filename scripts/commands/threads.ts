/** How many threads of this process compute. */
import { parseNumber } from '../../shared/calls.ts';
import { checkThreads } from '../../worker/team.ts';
import type { FlagValues } from './flag-values.ts';

/** @throws LockstepError (USAGE) */
export function readThreads(flags: FlagValues, otherwise: number): number {
  const text = flags.text('threads');
  if (text === undefined) return otherwise;
  return checkThreads(parseNumber(text), flags.label('threads'), text);
}
