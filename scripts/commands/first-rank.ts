/**
 * Ranks of a job are started with the same command line and mostly fail alike. Rank 0 says why at once, and its launcher ends
 * the others before they do.
 */
import { setTimeout } from 'node:timers/promises';

/** Launchers end a job within some milliseconds. */
const deferMs = 1000;

/** Waits where this process is another rank than the first. */
export async function letFirstRankSpeak(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (!words.some((word) => /^(--transport=)?(mpi|websocket)$/.test(word))) return;
  const { findLaunch } = await import('../launch.ts');
  let rank = 0;
  try {
    rank = findLaunch(environment)?.rank ?? 0;
  } catch {
    return; // which is what there is to say
  }
  if (rank > 0) await setTimeout(deferMs);
}
