/** `lockstep train --transport mpi`: this process is one rank of a job that mpirun or srun started. */
import { availableParallelism, cpus } from 'node:os';
import { LockstepError, usageError } from '../../shared/errors.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { findLaunch, type Launch, launchLine } from '../launch.ts';
import { MpiJob, type MpiJobOptions } from '../mpi-job.ts';
import type { ResumedRun } from '../resumed-run.ts';
import type { SharedStart } from '../shared-start.ts';
import { trainFields } from '../training.ts';
import { durationMs } from './duration.ts';
import type { FlagValues } from './flag-values.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { resumedRun } from './resume.ts';
import { showError } from './screen.ts';
import { onSignals } from './signals.ts';
import { readThreads, threadsOfRank } from './threads.ts';

export const defaultStartMs = 120_000;
export const defaultExchangeMs = 60_000;
/** For others to come where all is over. */
const failMs = 20_000;

/** The job as rank 0 has it, which also shows and keeps the run. */
export interface Lead {
  readonly job: MpiJob;
  /** Threads of a rank, if nothing is said. */
  readonly threads: number;
  /** What is to be said of the job before it begins. */
  lines(threads: number): string[];
  /** And when it begins. */
  startLines(): string[];
  /** What starts such a job, before a command. */
  readonly launcher: string;
}

/** Joins the job and trains with it; returns the exit code. @param lead what rank 0 does, once it is known what run goes on */
export async function mpiCommand(
  argument: string | undefined,
  flags: FlagValues,
  lead: (resumed: ResumedRun | null, mpi: Lead) => Promise<number>,
): Promise<number> {
  const launch = findLaunch(process.env);
  const threads = threadsOfRank(availableParallelism(), cpus().length, launch?.localSize ?? null);
  const options = {
    file: flags.text('mpi-library') ?? null,
    launch,
    startMs: durationMs(flags, 'worker-timeout', defaultStartMs, 1),
    exchangeMs: durationMs(flags, 'step-timeout', defaultExchangeMs, 1),
    windows: !flags.isOn('no-shared-memory'),
  };
  let resumed: ResumedRun | null = null;
  return asRank(options, async (job) => {
    try {
      const start = await job.shareStart(async () => {
        checkFlags(flags);
        resumed = await resumedRun(flags);
        return resumed === null ? null : startOf(resumed);
      });
      if (!job.isFirst) return await follow(job, argument, flags, start, threads);
      const lines = (own: number) => jobLines(job, launch, own);
      return await lead(resumed, {
        ...{ job, threads, lines, startLines: () => exchangeLines(job) },
        launcher: `mpirun -n ${job.world.size} `,
      });
    } finally {
      (resumed as ResumedRun | null)?.lock?.release();
    }
  });
}

/**
 * Joins the job only to say with all others why it cannot begin, so that it is said once. Returns the exit code.
 * @throws LockstepError the error itself where the others cannot be reached
 */
export async function failAsRank(error: LockstepError, file: string | null): Promise<number> {
  const launch = findLaunch(process.env);
  if (launch === null || launch.size === 1 || error.code === 'MPI') throw error;
  const options = { file, launch, startMs: failMs, exchangeMs: failMs, windows: false };
  return asRank(options, async (job) => {
    await job.shareStart(async () => {
      throw error;
    });
    throw error;
  });
}

/** Does what a rank does, and ends the job. Errors are shown here, by the rank that is to show them. */
async function asRank(options: MpiJobOptions, work: (job: MpiJob) => Promise<number>): Promise<number> {
  const job = await MpiJob.open(options);
  try {
    const code = await work(job);
    await job.leave();
    return code || job.stopCode;
  } catch (error) {
    await job.fail(error, showError);
    return error instanceof LockstepError ? error.exitCode : 1;
  }
}

/** What is to be said of the job before it begins. */
function jobLines({ world }: MpiJob, launch: Launch | null, threads: number): string[] {
  const who = launch === null ? 'rank 0 of 1, started by nobody' : launchLine(launch);
  const cores = availableParallelism();
  return [
    `${world.library}: ${who}`,
    ...(threads > cores && cores < cpus().length
      ? [
          `${threads} threads share ${cores} of ${cpus().length} cores: mpirun binds ranks to cores unless told --bind-to none`,
        ]
      : []),
  ];
}

function exchangeLines({ world, hasWindows }: MpiJob): string[] {
  if (world.size === 1) return [];
  const how = hasWindows ? 'see each other’s memory, all on this machine' : 'exchange gradients through MPI';
  return [`${world.size} ranks ${how}`];
}

/** What would need workers that come and go. @throws LockstepError (USAGE) */
function checkFlags(flags: FlagValues): void {
  const lost = ['listen', 'workers', 'min-workers'].find((name) => flags.has(name));
  if (lost === undefined) return;
  throw usageError(
    `${flags.label(lost)}: got it with --transport mpi, where all ranks are there from the start and nobody joins; ` +
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
    return 0;
  } finally {
    signals.release();
  }
}

function startOf({ recipe, state, data, lock }: ResumedRun): SharedStart {
  const isFinished = state !== null && lock === null;
  return { recipe, state: isFinished ? null : state, data, isFinished };
}
