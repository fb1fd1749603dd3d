/** The run from top to bottom: gather; for every epoch its order, its steps, its evaluation; then what came of it. */
import { drawOrder } from '../shared/data/sampler.ts';
import { LockstepError } from '../shared/errors.ts';
import { resetRunningStats, stateDigest, takeSnapshot, weightsDigest } from '../shared/model/snapshot.ts';
import { recipeId } from '../shared/recipe/recipe.ts';
import type { Replica } from '../shared/reduction/span.ts';
import type { StepsOutcome, WorkAccount } from '../shared/training.ts';
import { type Evaluation, readEvaluation } from './evaluation.ts';
import type { Run } from './prepare.ts';
import type { EpochReport, Hooks, Outcome, Position, StepReport, StoppedBy } from './reports.ts';

/** What the coordinator needs of those who compute: threads of this process, or workers wherever they are. */
export interface Team {
  readonly committed: number;
  /** Steps committed in the current epoch, also while more are being computed. */
  readonly step: number;
  readonly replica: Replica;
  readonly deaths: number;
  /** Workers that came from elsewhere, and came back. */
  readonly joins: number;
  readonly shardsRecomputed: number;
  results(): { losses: Float32Array; seconds: Float64Array };
  /** Waits until training can begin; at once where nobody has to come. */
  gather(): Promise<void>;
  trainSteps(first: number, end: number): Promise<StepsOutcome>;
  evaluate(split: 'train' | 'test'): Promise<void>;
  stop(): void;
  account(): WorkAccount[];
}

/** Steps are reported to `onSteps` this often while they are being computed. */
const reportMs = 250;

/**
 * Trains a run to its end, or until it is stopped.
 * @throws LockstepError (DIVERGED) at the first step that meets NaN or infinity
 */
export async function coordinate(run: Run, team: Team, hooks: Hooks): Promise<Outcome> {
  const stop = () => team.stop();
  hooks.signal?.addEventListener('abort', stop, { once: true });
  if (hooks.signal?.aborted) stop();
  try {
    return await new Coordinator(run, team, hooks).train();
  } finally {
    hooks.signal?.removeEventListener('abort', stop);
  }
}

class Coordinator {
  readonly #run: Run;
  readonly #team: Team;
  readonly #hooks: Hooks;
  readonly #epochs: EpochReport[] = [];
  readonly #counters: Map<string, bigint>;
  #stoppedBy: StoppedBy | null = null;
  /** The last evaluation, and the steps that were committed before it. */
  #evaluated: { readonly committed: number; readonly evaluation: Evaluation } | null = null;
  #trainSeconds = 0;
  #samples = 0;
  /** The epoch that is being trained, when it began, and of its steps: how many are done, told, and their losses. */
  #epoch = 0;
  #epochStartMs = 0;
  #told = 0;
  #lossSum = 0;

  constructor(run: Run, team: Team, hooks: Hooks) {
    this.#run = run;
    this.#team = team;
    this.#hooks = hooks;
    this.#counters = new Map(run.counters);
  }

  async train(): Promise<Outcome> {
    const { epochs } = this.#run.recipe;
    this.#hooks.onStart?.(this.#run, () => this.#position());
    await this.#team.gather();
    for (let epoch = 1; epoch <= epochs && !this.#isStopped(); epoch++) {
      this.#beginEpoch(epoch);
      const seconds = await this.#trainSteps();
      if (this.#team.step === this.#run.steps) await this.#endEpoch(seconds);
    }
    return this.#finish();
  }

  #beginEpoch(epoch: number): void {
    const { recipe, samples, plan, memory, architecture } = this.#run;
    drawOrder(new Uint32Array(memory.buffer, plan.order, samples.length), samples, recipe.seed, epoch);
    if (recipe.resetRunningStats === 'epoch') {
      resetRunningStats(architecture, this.#flat());
      for (const name of this.#counters.keys()) this.#counters.set(name, 0n);
    }
    this.#epoch = epoch;
    this.#told = 0;
    this.#lossSum = 0;
    this.#epochStartMs = performance.now();
  }

  /** Trains the epoch's steps and returns the seconds they took. */
  async #trainSteps(): Promise<number> {
    const { steps } = this.#run;
    const { onStep } = this.#hooks;
    let failure: unknown;
    const telling = setInterval(() => {
      try {
        this.#tellSteps();
      } catch (error) {
        // A listener that fails (a full disk under a log) ends the run as it would from anywhere else.
        failure ??= error;
        this.#team.stop();
      }
    }, reportMs);
    let seconds = 0;
    try {
      for (let step = 0; step < steps && !this.#isStopped(); step = this.#team.step) {
        const startMs = performance.now();
        // Without a callback for each step the team runs through the epoch by itself.
        const outcome = await this.#team.trainSteps(step, onStep === undefined ? steps : step + 1);
        seconds += (performance.now() - startMs) / 1000;
        if (failure !== undefined) throw failure;
        this.#tellSteps();
        if (outcome.kind === 'nonFinite') throw this.#diverged(outcome.step, outcome.where);
        // A team that was held up may come back without having done the step.
        if (onStep !== undefined && outcome.step > step) {
          if ((await onStep(this.#stepReport(step))) === false) this.#stoppedBy = 'callback';
        }
      }
    } finally {
      clearInterval(telling);
    }
    this.#trainSeconds += seconds;
    return seconds;
  }

  async #endEpoch(seconds: number): Promise<void> {
    const test = await this.#evaluate();
    const samples = this.#samplesUntil(this.#run.steps);
    const loss = this.#lossSum / samples;
    const before = this.#epochs.at(-1);
    const report: EpochReport = {
      epoch: this.#epoch,
      steps: this.#team.committed,
      loss,
      change: before === undefined ? null : loss - before.loss,
      testLoss: test.loss,
      testAccuracy: test.accuracy,
      seconds,
      samplesPerSecond: samples / seconds,
    };
    this.#epochs.push(report);
    if ((await this.#hooks.onEpoch?.(report)) === false) this.#stoppedBy = 'callback';
  }

  async #finish(): Promise<Outcome> {
    const { recipe, architecture, memory, steps } = this.#run;
    const test = await this.#evaluate();
    const snapshot = takeSnapshot(architecture, this.#flat(), this.#counters);
    const inEpoch = this.#epoch > this.#epochs.length;
    const state = {
      optimizer: new Float32Array(memory.buffer, this.#team.replica.state, architecture.flatSize),
      epoch: this.#epochs.length,
      step: inEpoch ? this.#team.step : 0,
      lossSum: inEpoch ? this.#lossSum : 0,
    };
    return {
      recipeId: recipeId(recipe),
      snapshot,
      weightsDigest: weightsDigest(snapshot),
      stateDigest: stateDigest(architecture, snapshot, state),
      epochs: this.#epochs,
      steps: this.#team.committed,
      samples: this.#samples,
      trainSeconds: this.#trainSeconds,
      test,
      stoppedBy: this.#team.committed === recipe.epochs * steps ? null : this.#stoppedBy,
      work: this.#team.account(),
      deaths: this.#team.deaths,
      joins: this.#team.joins,
      shardsRecomputed: this.#team.shardsRecomputed,
    };
  }

  /** Evaluates the current replica on the test set, once. */
  async #evaluate(): Promise<Evaluation> {
    const { committed } = this.#team;
    if (this.#evaluated?.committed === committed) return this.#evaluated.evaluation;
    await this.#team.evaluate('test');
    const { plan, memory, architecture } = this.#run;
    const evaluation = readEvaluation(plan, memory, 'test', architecture.classes);
    if (evaluation.badShard !== null) {
      throw new LockstepError(
        'DIVERGED',
        `training diverged: NaN or infinity in the test loss of shard ${evaluation.badShard} after step ${committed}; ` +
          `lower the learning rate (optimizer ${this.#run.recipe.optimizer}) or look at scale and init`,
      );
    }
    this.#evaluated = { committed, evaluation };
    return evaluation;
  }

  #isStopped(): boolean {
    if (this.#hooks.signal?.aborted) this.#stoppedBy ??= 'signal';
    return this.#stoppedBy !== null;
  }

  /** Adds up the steps that were committed since the last time, in order, and tells of them. */
  #tellSteps(): void {
    const done = this.#team.step;
    const reports: StepReport[] = [];
    for (; this.#told < done; this.#told++) {
      const report = this.#stepReport(this.#told);
      this.#lossSum += report.loss * report.samples;
      this.#samples += report.samples;
      for (const [name, count] of this.#counters) this.#counters.set(name, count + 1n);
      reports.push(report);
    }
    if (reports.length > 0) this.#hooks.onSteps?.(reports);
  }

  #stepReport(step: number): StepReport {
    const { losses, seconds } = this.#team.results();
    return {
      epoch: this.#epoch,
      step: (this.#epoch - 1) * this.#run.steps + step + 1,
      samples: this.#samplesUntil(step + 1) - this.#samplesUntil(step),
      loss: losses[step],
      seconds: seconds[step],
    };
  }

  #samplesUntil(step: number): number {
    return Math.min(step * this.#run.recipe.batchSize, this.#run.samples.length);
  }

  #position(): Position {
    const step = this.#epoch === 0 ? 0 : this.#team.step;
    const seconds = this.#epoch === 0 ? 0 : (performance.now() - this.#epochStartMs) / 1000;
    return {
      epoch: this.#epoch,
      step,
      seconds,
      loss: step === 0 ? null : this.#team.results().losses[step - 1],
    };
  }

  #flat(): Float32Array {
    const { memory, architecture } = this.#run;
    return new Float32Array(memory.buffer, this.#team.replica.flat, architecture.flatSize);
  }

  #diverged(step: number, where: string): LockstepError {
    const { steps, recipe } = this.#run;
    return new LockstepError(
      'DIVERGED',
      `training diverged at step ${(this.#epoch - 1) * steps + step + 1} (epoch ${this.#epoch}): ` +
        `NaN or infinity in ${where}; lower the learning rate (optimizer ${recipe.optimizer}) or look at scale and init`,
    );
  }
}
