/** A training with the other ranks of a job: all coordinate the same, and end after the same step. */
import { coordinate } from '../coordinator/coordinator.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { Hooks, Keeping, Outcome } from '../coordinator/reports.ts';
import { RankTeam } from '../worker/mpi/rank-team.ts';
import type { MpiJob } from './mpi-job.ts';

/**
 * Trains a run that every rank has made ready.
 * @throws LockstepError (MPI, DIVERGED, TEAM, DOUBT)
 */
export async function trainWithRanks(
  run: Run,
  job: MpiJob,
  threads: number,
  hooks: Hooks,
  keeping: Keeping | null,
): Promise<Outcome> {
  const facts = await job.muster(run, threads);
  const { setup, kernels, memory, committed } = run;
  const hasWindows = await job.openWindows(run);
  const agreed = new AbortController();
  const team = await RankTeam.start({
    setup,
    kernels,
    memory,
    committed,
    world: job.world,
    facts,
    mpi: { file: job.world.file, deadlineMs: job.exchangeMs, cores: job.coresFor(facts), hasWindows },
    onAgreedStop: (exitCode) => {
      job.stopCode = exitCode;
      agreed.abort();
    },
  });
  const ask = () => {
    job.wasAsked = true;
    team.stop(Number(hooks.signal?.reason) || undefined);
  };
  hooks.signal?.addEventListener('abort', ask, { once: true });
  if (hooks.signal?.aborted) ask();
  try {
    // One rank alone must not stop: the others would wait for it.
    return await coordinate(run, team, { ...hooks, signal: agreed.signal }, keeping);
  } finally {
    hooks.signal?.removeEventListener('abort', ask);
    await team.close();
  }
}
