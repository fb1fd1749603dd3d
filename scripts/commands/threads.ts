/** How many threads of this process compute. */
import { parseNumber } from '../../shared/calls.ts';
import { checkThreads } from '../../worker/team.ts';
import type { FlagValues } from './flag-values.ts';

/**
 * How many threads a rank has by default. One that its launcher has bound to some of the cores has those; others share
 * all cores of the machine.
 * @param available cores that this process may use
 * @param cores of the machine
 * @param ranks on it, null where nobody says
 */
export function threadsOfRank(available: number, cores: number, ranks: number | null): number {
  return available < cores ? available : Math.max(1, Math.floor(available / (ranks ?? 1)));
}

/** @throws LockstepError (USAGE) */
export function readThreads(flags: FlagValues, otherwise: number): number {
  const text = flags.text('threads');
  if (text === undefined) return otherwise;
  return checkThreads(parseNumber(text), flags.label('threads'), text);
}
