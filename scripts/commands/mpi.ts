/** `lockstep train --transport mpi`: this process is one rank of a job that mpirun or srun started. */
import { availableParallelism } from 'node:os';
import type { LockstepError } from '../../shared/errors.ts';
import { usageError } from '../../shared/errors.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { findLaunch, type Launch, launchLine } from '../launch.ts';
import { MpiJob, type SharedStart } from '../mpi-job.ts';
import type { ResumedRun } from '../resumed-run.ts';
import { trainFields } from '../training.ts';
import { durationMs } from './duration.ts';
import type { FlagValues } from './flag-values.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { resumedRun } from './resume.ts';
import { showError } from './screen.ts';
import { onSignals } from './signals.ts';
import { readThreads } from './threads.ts';

const defaultStartMs = 120_000;
const defaultExchangeMs = 60_000;

/** What rank 0 does with the job, once it is known what run goes on. */
export type Lead = (job: MpiJob, resumed: ResumedRun | null, defaultThreads: number) => Promise<number>;

/**
 * Joins the job and trains with it; returns the exit code. @param lead what rank 0 does, which also shows and keeps the run
 * @throws LockstepError
 */
export async function mpiCommand(argument: string | undefined, flags: FlagValues, lead: Lead): Promise<number> {
  const launch = findLaunch(process.env);
  const job = await MpiJob.open({
    file: flags.text('mpi-library') ?? null,
    launch,
    startMs: durationMs(flags, 'worker-timeout', defaultStartMs, 1),
    exchangeMs: durationMs(flags, 'step-timeout', defaultExchangeMs, 1),
  });
  let resumed: ResumedRun | null = null;
  try {
    const start = await job.shareStart(async () => {
      checkFlags(flags);
      resumed = await resumedRun(flags);
      return resumed === null ? null : startOf(resumed);
    });
    const threads = threadsOf(launch);
    const code = job.isFirst
      ? await lead(job, resumed, threads)
      : await follow(job, argument, flags, start, threads);
    await job.world.finalize();
    return code;
  } catch (error) {
    const said = await job.fail(error, showError);
    if (said !== null) throw said;
    return (error as LockstepError).exitCode;
  } finally {
    (resumed as ResumedRun | null)?.lock?.release();
  }
}

/** Which rank of how many, and how that is known. */
export function jobLine(job: MpiJob): string {
  const launch = findLaunch(process.env);
  const how = launch === null ? 'started alone' : launchLine(launch);
  return `${job.world.library}: ${how}`;
}

/** What would need workers that come and go. @throws LockstepError (USAGE) */
function checkFlags(flags: FlagValues): void {
  const lost = ['listen', 'workers', 'min-workers'].find((name) => flags.isOnCommandLine(name));
  if (lost === undefined) return;
  throw usageError(
    `--${lost}: got it with --transport mpi, where all ranks are there from the start and nobody joins; ` +
      'leave it out, or take --transport websocket',
  );
}

/** A rank that is not the first: it trains, and shows nothing. */
async function follow(
  job: MpiJob,
  argument: string | undefined,
  flags: FlagValues,
  start: SharedStart | null,
  defaultThreads: number,
): Promise<number> {
  if (start?.isFinished) return 0;
  const known = start === null ? null : { folder: '', recipeName: null, ...start };
  const recipe = chooseRecipe(argument, flags, flags.isOn('auto-resume') ? null : known);
  const signals = onSignals(() => {});
  try {
    await trainFields(recipe.fields, {
      label: (key) => (key === 'threads' ? flags.label('threads') : recipe.label(key)),
      data: null,
      initial: recipe.initial,
      threads: readThreads(flags, defaultThreads),
      kernels: flags.choice('kernels', kernelChoices) ?? 'auto',
      workers: null,
      mpi: job,
      resumed: start,
      hooks: { signal: signals.signal },
    });
    return signals.exitCode();
  } finally {
    signals.release();
  }
}

function startOf({ recipe, state, data, lock }: ResumedRun): SharedStart {
  const isFinished = state !== null && lock === null;
  return { recipe, state: isFinished ? null : state, data, isFinished };
}

/** The cores of this machine, shared by the ranks on it. */
function threadsOf(launch: Launch | null): number {
  return Math.max(1, Math.floor(availableParallelism() / (launch?.localSize ?? 1)));
}
