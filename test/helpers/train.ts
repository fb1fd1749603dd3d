/** Whole trainings for tests: from recipe fields and a data set in memory to the outcome, on a team of threads. */
import { coordinate } from '../../coordinator/coordinator.ts';
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import type { Hooks, Keeping, Outcome, StepReport } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import type { Team as CoordinatedTeam } from '../../coordinator/team.ts';
import { classCount, type DatasetSource, imageShape, memoryDataset } from '../../shared/data/dataset.ts';
import { type KernelSet, loadKernels } from '../../shared/kernels/load.ts';
import { featureCount } from '../../shared/model/layer.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { Team, type TeamOptions } from '../../worker/team.ts';
import { randomNumbers } from './reference/random-data.ts';

export interface TrainOptions
  extends Pick<TeamOptions, 'failpoints' | 'threadTimeoutMs' | 'maxHeapMiB' | 'profile' | 'onDeath'> {
  readonly source: DatasetSource;
  readonly threads?: number;
  readonly kernels?: KernelSet;
  readonly hooks?: Hooks;
  readonly keeping?: Keeping;
  /** Where to go on from. */
  readonly from?: RunState | null;
  /** Puts something between the coordinator and the team. */
  readonly wrapTeam?: (team: Team) => CoordinatedTeam;
}

export interface Trained extends Outcome {
  readonly run: Run;
  /** Average loss of every step. */
  readonly losses: readonly number[];
  /** Share of right predictions of every step. */
  readonly accuracies: readonly number[];
}

export const label = (key: string): string => key;

/** A training that is ready to begin; the caller closes the team. */
export async function startTraining(
  fields: RecipeFields,
  {
    source,
    threads = 1,
    kernels = 'wasm',
    from = null,
    failpoints,
    threadTimeoutMs,
    maxHeapMiB,
    profile,
    onDeath,
  }: TrainOptions,
): Promise<{ run: Run; team: Team }> {
  const run = await prepareRun({
    draft: draftRecipe(fields, label),
    source,
    kernels: loadKernels(kernels),
    threads,
    initial: null,
    from,
    label,
  });
  const team = await Team.start({
    setup: run.setup,
    kernels: run.kernels,
    memory: run.memory,
    committed: run.committed,
    ...(failpoints === undefined ? {} : { failpoints }),
    ...(threadTimeoutMs === undefined ? {} : { threadTimeoutMs }),
    ...(maxHeapMiB === undefined ? {} : { maxHeapMiB }),
    ...(profile === undefined ? {} : { profile }),
    onDeath,
  });
  return { run, team };
}

/** Trains a recipe to its end. */
export async function train(fields: RecipeFields, options: TrainOptions): Promise<Trained> {
  const { hooks = {}, keeping = null, wrapTeam = (team: Team) => team } = options;
  const losses: number[] = [];
  const accuracies: number[] = [];
  const onSteps = (reports: readonly StepReport[]): void => {
    losses.push(...reports.map(({ loss }) => loss));
    accuracies.push(...reports.map(({ accuracy }) => accuracy));
    hooks.onSteps?.(reports);
  };
  const { run, team } = await startTraining(fields, options);
  try {
    const outcome = await coordinate(run, wrapTeam(team), { ...hooks, onSteps }, keeping);
    return { ...outcome, run, losses, accuracies };
  } finally {
    await team.close();
  }
}

/** All that must be the same, however a recipe was trained. */
export function bitsOf({
  recipeId,
  weightsDigest,
  stateDigest,
  chain,
  losses,
  accuracies,
  epochs,
  steps,
  test,
}: Trained) {
  const perEpoch = epochs.map(({ loss, testLoss, testAccuracy }) => ({ loss, testLoss, testAccuracy }));
  return { recipeId, weightsDigest, stateDigest, chain, losses, accuracies, perEpoch, steps, test };
}

/** The numbers of the samples of the last epoch, in the order in which they were trained on. */
export function lastOrder({ run: { memory, plan, samples } }: Trained): Uint32Array {
  return new Uint32Array(memory.buffer, plan.order, samples.length).slice();
}

/** A learnable data set: each class is a pattern of its own, each sample its class's pattern with noise. */
export function syntheticDataset(seed: number, train: number, test: number): DatasetSource {
  const random = randomNumbers(seed);
  const pixels = featureCount(imageShape);
  const patterns = Array.from({ length: classCount }, () => Float64Array.from({ length: pixels }, random));
  const split = (samples: number) => {
    const images = new Uint8Array(samples * pixels);
    const labels = new Uint8Array(samples);
    for (let i = 0; i < samples; i++) {
      labels[i] = Math.floor(((random() + 1) / 2) * classCount);
      const pattern = patterns[labels[i]];
      for (let p = 0; p < pixels; p++) images[i * pixels + p] = 128 + 60 * pattern[p] + 60 * random();
    }
    return { images, labels };
  };
  return memoryDataset({ train: split(train), test: split(test) });
}
