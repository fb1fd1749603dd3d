/** Ranks of a job are started with the same command line and mostly fail alike: what is wrong is to be said once. */
import { setTimeout } from 'node:timers/promises';
import type { LockstepError } from '../../shared/errors.ts';

/** Launchers end a job within some milliseconds of the first rank that fails. */
const deferMs = 1000;

/**
 * Comes to the others with an error that this process met before it was one of them. Returns the exit code where it has been
 * said, null where this process is to say it.
 */
export async function sayWithOthers(
  error: LockstepError,
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<number | null> {
  const given = (flag: string) => {
    const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
    return words[at]?.split('=')[1] ?? (at < 0 ? undefined : words[at + 1]);
  };
  const name = given('--transport') ?? environment.LOCKSTEP_TRANSPORT;
  if (name !== 'mpi' && name !== 'websocket') return null;
  try {
    const { failAsRank } = await import('./mpi.ts');
    const library = given('--mpi-library') ?? environment.LOCKSTEP_MPI_LIBRARY ?? null;
    if (name === 'mpi') return await failAsRank(error, library);
  } catch {
    // There is no way to them: each says it, the first one first.
  }
  const { findLaunch } = await import('../launch.ts');
  try {
    if ((findLaunch(environment)?.rank ?? 0) > 0) await setTimeout(deferMs);
  } catch {
    // It is what there is to say.
  }
  return null;
}
