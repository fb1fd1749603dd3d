/** The threads of this process as a side. */
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import { type DatasetSource, imageShape, memoryDataset } from '../../shared/data/dataset.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { featureCount } from '../../shared/model/layer.ts';
import type { Draft, Label } from '../../shared/recipe/resolve.ts';
import { type Phase, phases } from '../../shared/timeline.ts';
import type { PhaseSeconds } from '../../worker/profile.ts';
import { Team } from '../../worker/team.ts';
import { type Reading, type Side, warmUpTurns } from './interleave.ts';
import { TimedTraining } from './timed-training.ts';

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
  readonly #training: TimedTraining;
  readonly #team: Team;
  readonly #threads: number;

  private constructor(run: Run, team: Team) {
    this.#training = new TimedTraining(run, team);
    this.#team = team;
    this.#threads = run.setup.sizes.threads;
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
  run(seconds: number): Promise<Reading> {
    return this.#training.run(seconds);
  }

  /** Warms up, trains for so many seconds, and says where a step's seconds went, averaged over its threads. */
  async profile(seconds: number): Promise<PhaseSeconds> {
    await this.run(warmUpTurns * seconds);
    const before = this.#phaseSums();
    const { steps } = this.#training;
    await this.run(seconds);
    const after = this.#phaseSums();
    const count = (this.#training.steps - steps) * this.#threads;
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
}

function byPhase(value: (phase: Phase) => number): PhaseSeconds {
  return Object.fromEntries(phases.map((phase) => [phase, value(phase)])) as Record<Phase, number>;
}
