/** Ranks of MPI of one thread each, which `mpirun` starts on this machine, as a side. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../../shared/errors.ts';
import { RankJob } from '../ranks/rank-job.ts';
import type { Reading, Side } from './interleave.ts';
import type { Configuration } from './measure.ts';
import { Pace, type Taken } from './pace.ts';
import type { BenchPlan } from './plan.ts';
import type { TrainingTask } from './rank.ts';

/** Beyond the seconds that steps were to take. */
const answerMs = 60_000;
/** Nobody knows yet how long a step takes. */
const longestStepSeconds = 60;

export class RanksMeasurement implements Side {
  readonly #job: RankJob;
  readonly #batchSize: number;
  readonly #pace = new Pace();

  private constructor(job: RankJob, batchSize: number) {
    this.#job = job;
    this.#batchSize = batchSize;
  }

  /**
   * Starts ranks, which read the data themselves, and takes a step with them; the caller closes it.
   * @throws LockstepError (USAGE, DATA, MPI)
   */
  static async start(
    { draft, kernels }: Pick<Configuration, 'draft' | 'kernels'>,
    ranks: number,
    { mpirun, windows }: Pick<BenchPlan, 'mpirun' | 'windows'>,
  ): Promise<RanksMeasurement> {
    const task: TrainingTask = { draft, kernels: kernels.set, windows };
    const job = await RankJob.start({ mpirun, ranks, script: rankScript(), task });
    const measurement = new RanksMeasurement(job, draft.batchSize);
    try {
      await measurement.run(0);
      return measurement;
    } catch (error) {
      await measurement.close();
      throw error;
    }
  }

  /** Process ids of the ranks. */
  get pids(): readonly number[] {
    return this.#job.pids;
  }

  /**
   * Trains until the steps took so many seconds, at least one step.
   * @throws LockstepError (DIVERGED, MPI, TEAM)
   */
  async run(seconds: number): Promise<Reading> {
    const deadlineMs = answerMs + 1000 * Math.max(seconds, longestStepSeconds);
    const taken = await this.#pace.run(seconds, async (wanted) => {
      const answers = (await this.#job.ask({ wanted }, deadlineMs)) as Taken[];
      const [{ steps }] = answers;
      if (answers.some((one) => one.steps !== steps))
        throw new LockstepError(
          'MPI',
          `${this.#job.name} took ${answers.map((one) => one.steps)} steps, expected the same`,
        );
      // The one that waited longest for the others to begin has seen all of it.
      return { steps, seconds: Math.max(...answers.map((one) => one.seconds)) };
    });
    return { samples: taken.steps * this.#batchSize, seconds: taken.seconds };
  }

  /** Has the ranks leave; no process is left. */
  close(): Promise<void> {
    return this.#job.close();
  }
}

/** Beside this file, with its ending. */
function rankScript(): string {
  return fileURLToPath(new URL(`./rank${extname(import.meta.url)}`, import.meta.url));
}
