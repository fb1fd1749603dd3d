/** How many threads of this process compute. */
import { parseNumber } from '../../shared/calls.ts';
import { checkThreads } from '../../worker/team.ts';
import type { FlagValues } from './flag-values.ts';

/**
 * How many threads a rank has by default. One that its launcher has bound to some of the cores has those; others share
 * what there is: all cores of the machine, or those that a container leaves to the whole job. Which of the two it is can
 * be seen only where the ranks' cores would be more than there are: those that are bound have cores of their own.
 * @param available cores that this process may use
 * @param cores of the machine
 * @param ranks on it, null where nobody says
 */
export function threadsOfRank(available: number, cores: number, ranks: number | null): number {
  const sharing = ranks ?? 1;
  return available * sharing > cores ? Math.max(1, Math.floor(available / sharing)) : available;
}

/** @throws LockstepError (USAGE) */
export function readThreads(flags: FlagValues, otherwise: number): number {
  const text = flags.text('threads');
  if (text === undefined) return otherwise;
  return checkThreads(parseNumber(text), flags.label('threads'), text);
}
