/** A training that goes on for so many seconds at a time: no run folder, no evaluation, epochs without end. */

import type { Run } from '../../coordinator/prepare.ts';
import type { Team } from '../../coordinator/team.ts';
import { drawOrder } from '../../shared/data/sampler.ts';
import { LockstepError } from '../../shared/errors.ts';
import { resetRunningStats } from '../../shared/model/snapshot.ts';
import type { Reading } from './interleave.ts';
import { Pace, type Taken } from './pace.ts';

export class TimedTraining {
  /** Steps taken. */
  steps = 0;
  readonly #run: Run;
  readonly #team: Pick<Team, 'trainSteps' | 'results' | 'replica'>;
  #epoch = 0;
  /** Steps done in the epoch. */
  #step: number;
  readonly #pace = new Pace();

  constructor(run: Run, team: Pick<Team, 'trainSteps' | 'results' | 'replica'>) {
    this.#run = run;
    this.#team = team;
    this.#step = run.steps;
  }

  /**
   * Trains until the steps took so many seconds, at least one step.
   * @throws LockstepError (DIVERGED), and what the team throws
   */
  async run(seconds: number): Promise<Reading> {
    const taken = await this.#pace.run(seconds, (wanted) => this.take(wanted));
    return { samples: taken.steps * this.#run.recipe.batchSize, seconds: taken.seconds };
  }

  /**
   * Takes at most so many steps, at least one, and none beyond the end of an epoch.
   * @throws LockstepError (DIVERGED), and what the team throws
   */
  async take(wanted: number): Promise<Taken> {
    if (this.#step === this.#run.steps) this.#beginEpoch();
    const first = this.#step;
    const seconds = await this.#takeUntil(Math.min(this.#run.steps, first + wanted));
    const steps = this.#step - first;
    this.steps += steps;
    return { steps, seconds };
  }

  /** The same as every worker does by itself. */
  #beginEpoch(): void {
    const { memory, plan, samples, recipe, architecture } = this.#run;
    this.#epoch += 1;
    this.#step = 0;
    drawOrder(new Uint32Array(memory.buffer, plan.order, samples.length), samples, recipe.seed, this.#epoch);
    if (recipe.resetRunningStats !== 'epoch') return;
    const { flat } = this.#team.replica;
    resetRunningStats(architecture, new Float32Array(memory.buffer, flat, architecture.flatSize));
  }

  /** Takes steps up to `end` of the epoch and returns the seconds they took. */
  async #takeUntil(end: number): Promise<number> {
    const { kernels, recipe } = this.#run;
    const outcome = await this.#team.trainSteps(this.#step, end);
    if (outcome.kind === 'nonFinite') {
      throw new LockstepError(
        'DIVERGED',
        `the training that was to be measured diverged (batch ${recipe.batchSize}, ${kernels.set} kernels): NaN or ` +
          `infinity in ${outcome.where}; lower the learning rate (optimizer ${recipe.optimizer})`,
      );
    }
    const { seconds } = this.#team.results();
    const took = seconds.subarray(this.#step, outcome.step).reduce((sum, step) => sum + step, 0);
    this.#step = outcome.step;
    return took;
  }
}
