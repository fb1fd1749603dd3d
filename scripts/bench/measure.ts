/** A training that runs when it is asked to: no run folder, no evaluation, no end. */
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import { type DatasetSource, imageShape, memoryDataset } from '../../shared/data/dataset.ts';
import { drawOrder } from '../../shared/data/sampler.ts';
import { LockstepError } from '../../shared/errors.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { featureCount } from '../../shared/model/layer.ts';
import type { Draft, Label } from '../../shared/recipe/resolve.ts';
import { type Phase, type PhaseSeconds, phases } from '../../worker/profile.ts';
import { Team } from '../../worker/team.ts';
import { type Reading, type Side, warmUpTurns } from './interleave.ts';

/** Samples of an epoch: few enough to start quickly, too many for the caches of a core. */
const epochSamples = 8192;

export interface Configuration {
  readonly draft: Draft;
  readonly source: DatasetSource;
  readonly kernels: LoadedKernels;
  readonly threads: number;
  readonly label: Label;
  /** True to measure phases, which takes a little time itself. */
  readonly profile?: boolean;
}

/** The data of a measurement: whole batches only, the samples from the beginning, again and again if they are few. */
export async function benchSamples(source: DatasetSource, batchSize: number): Promise<DatasetSource> {
  const pixels = featureCount(imageShape);
  const all = source.samples.train;
  const images = new Uint8Array(all * pixels);
  const labels = new Uint8Array(all);
  await source.load('train', images, labels);
  const count = Math.max(1, Math.floor(epochSamples / batchSize)) * batchSize;
  const train = { images: new Uint8Array(count * pixels), labels: new Uint8Array(count) };
  for (let i = 0; i < count; i++) {
    const from = (i % all) * pixels;
    train.images.set(images.subarray(from, from + pixels), i * pixels);
    train.labels[i] = labels[i % all];
  }
  return memoryDataset({ train, test: { images: images.slice(0, pixels), labels: labels.slice(0, 1) } });
}

export class Measurement implements Side {
  readonly #run: Run;
  readonly #team: Team;
  #epoch = 0;
  #step: number;
  /** Seconds of a step, as they were last. */
  #pace = Number.POSITIVE_INFINITY;

  private constructor(run: Run, team: Team) {
    this.#run = run;
    this.#team = team;
    this.#step = run.steps;
  }

  /** Starts a team over data of its own; the caller closes it. @throws LockstepError (USAGE, DATA, TEAM) */
  static async start({ profile = false, ...options }: Configuration): Promise<Measurement> {
    const run = await prepareRun({ ...options, initial: null });
    const { setup, memory } = run;
    return new Measurement(run, await Team.start({ setup, kernels: run.kernels, memory, profile }));
  }

  /**
   * Trains until the steps took so many seconds, at least one step.
   * @throws LockstepError (DIVERGED, TEAM)
   */
  async run(seconds: number): Promise<Reading> {
    const { batchSize } = this.#run.recipe;
    let steps = 0;
    let elapsed = 0;
    while (elapsed < seconds) {
      if (this.#step === this.#run.steps) this.#beginEpoch();
      const first = this.#step;
      const wanted = Math.max(1, Math.ceil((seconds - elapsed) / this.#pace));
      const took = await this.#take(Math.min(this.#run.steps, first + wanted));
      this.#pace = took / (this.#step - first);
      steps += this.#step - first;
      elapsed += took;
    }
    return { samples: steps * batchSize, seconds: elapsed };
  }

  /** Warms up, trains for so many seconds, and says where a step's seconds went, averaged over its threads. */
  async profile(seconds: number): Promise<PhaseSeconds> {
    await this.run(warmUpTurns * seconds);
    const before = this.#phaseSums();
    const committed = this.#team.committed;
    await this.run(seconds);
    const after = this.#phaseSums();
    const count = (this.#team.committed - committed) * this.#run.setup.sizes.threads;
    return byPhase((phase) => (after[phase] - before[phase]) / count);
  }

  async close(): Promise<void> {
    await this.#team.close();
  }

  /** Over all threads. */
  #phaseSums(): PhaseSeconds {
    const threads = this.#team.profile();
    return byPhase((phase) => threads.reduce((sum, thread) => sum + thread[phase], 0));
  }

  #beginEpoch(): void {
    const { memory, plan, samples, recipe } = this.#run;
    this.#epoch += 1;
    this.#step = 0;
    drawOrder(new Uint32Array(memory.buffer, plan.order, samples.length), samples, recipe.seed, this.#epoch);
  }

  /** Takes steps up to `end` of the epoch and returns the seconds they took. */
  async #take(end: number): Promise<number> {
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

function byPhase(value: (phase: Phase) => number): PhaseSeconds {
  return Object.fromEntries(phases.map((phase) => [phase, value(phase)])) as Record<Phase, number>;
}
