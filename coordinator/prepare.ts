/** From a recipe's draft and a data source to a memory that holds everything a team needs to begin. */

import type { DatasetSource } from '../shared/data/dataset.ts';
import { drawSubset } from '../shared/data/sampler.ts';
import { fillScaleTable } from '../shared/data/scale.ts';
import { dataError, usageError } from '../shared/errors.ts';
import { instantiateKernels, type LoadedKernels } from '../shared/kernels/load.ts';
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import { loadDataset } from '../shared/load-data.ts';
import type { Architecture } from '../shared/model/architecture.ts';
import { initialise } from '../shared/model/initialisation.ts';
import { type MemoryPlan, newMemory } from '../shared/model/memory-plan.ts';
import type { JobRank } from '../shared/model/rank-plan.ts';
import {
  counterNames,
  resetRunningStats,
  restoreSnapshot,
  type Snapshot,
  takeSnapshot,
  weightsDigest,
} from '../shared/model/snapshot.ts';
import { epochShape, type Recipe } from '../shared/recipe/recipe.ts';
import { checkSamples, type Draft, finishRecipe, type Label } from '../shared/recipe/resolve.ts';
import { setupOf } from '../shared/setup.ts';
import { planSetup, type Setup } from '../shared/training.ts';
import type { RunState } from './run-state.ts';

/** A training that is ready to begin. */
export interface Run {
  readonly recipe: Recipe;
  readonly kernels: LoadedKernels;
  readonly setup: Setup;
  readonly architecture: Architecture;
  readonly plan: MemoryPlan;
  readonly memory: SharedMemory;
  /** Steps of an epoch. */
  readonly steps: number;
  /** The numbers of the samples to train on, ascending. */
  readonly samples: Uint32Array;
  /** `num_batches_tracked` of each batch normalisation at the start. */
  readonly counters: ReadonlyMap<string, bigint>;
  /** Where it goes on from, null where it begins; and the steps that were done before. */
  readonly from: RunState | null;
  readonly committed: number;
  /** The chain's digest before the first step here (chain.ts). */
  readonly chain: string;
}

export interface RunOptions {
  readonly draft: Draft;
  readonly source: DatasetSource;
  readonly kernels: LoadedKernels;
  readonly threads: number;
  /** Of the ranks of a job that share every batch: this one and how many there are. */
  readonly ranks?: JobRank | undefined;
  /** The model to start from, for an `init` that is its digest. */
  readonly initial: Snapshot | null;
  /** Where to go on from, if not from the beginning. */
  readonly from?: RunState | null;
  readonly label: Label;
}

/**
 * Reads the data, finishes the recipe and writes the replica to begin with.
 * @throws LockstepError (USAGE, DATA)
 */
export async function prepareRun(options: RunOptions): Promise<Run> {
  const { source, kernels, threads, ranks, label, from = null } = options;
  const draft = checkSamples(options.draft, source.samples.train, label);
  const { samples: epochSamples, steps } = epochShape(draft, source.samples.train);
  const setup = setupOf(draft, source.samples, { threads, ranks });
  const { architecture, plan } = planSetup(setup);
  const memory = newMemory(plan);
  const dataset = await loadDataset(source, plan, memory);
  if (draft.dataset !== null && draft.dataset !== dataset) {
    throw dataError(
      `${label('dataset')}: the data of ${source.name} has SHA-256 ${dataset}, expected ${draft.dataset}; ` +
        'train with the data that the recipe was made for, or take the field out',
    );
  }
  const recipe = finishRecipe(draft, dataset);
  fillScaleTable(new Float32Array(memory.buffer, plan.scaleTable, 256), recipe.scale);
  const parts = { recipe, architecture, plan, memory, kernels };
  const committed = from === null ? 0 : from.epoch * steps + from.step;
  const counters =
    from === null ? fillFirstReplica(parts, options.initial, label) : restoreReplica(parts, from, committed);
  return {
    recipe,
    kernels,
    setup,
    architecture,
    plan,
    memory,
    steps,
    samples: drawSubset(source.samples.train, epochSamples, recipe.seed),
    counters,
    from,
    committed,
    chain: from?.chain ?? firstDigest(parts, counters),
  };
}

/** A run's chain begins with the model that it begins with. */
function firstDigest({ architecture, plan, memory }: Parts, counters: Run['counters']): string {
  const flat = new Float32Array(memory.buffer, plan.replicas[0].flat, architecture.flatSize);
  return weightsDigest(takeSnapshot(architecture, flat, counters));
}

type Parts = Pick<Run, 'recipe' | 'architecture' | 'plan' | 'memory' | 'kernels'>;

/** Writes the replica as it was after so many steps, to where it lay then; returns the counters that go with it. */
function restoreReplica(
  { architecture, plan, memory }: Parts,
  { snapshot, optimizer }: RunState,
  committed: number,
): ReadonlyMap<string, bigint> {
  const { flat, state } = plan.replicas[committed % 2];
  restoreSnapshot(architecture, snapshot, new Float32Array(memory.buffer, flat, architecture.flatSize));
  new Float32Array(memory.buffer, state, architecture.flatSize).set(optimizer);
  return snapshot.counters;
}

/** Writes the replica that the first step starts from; returns the counters that go with it. */
function fillFirstReplica(
  { recipe, architecture, plan, memory, kernels }: Parts,
  initial: Snapshot | null,
  label: Label,
): ReadonlyMap<string, bigint> {
  const flat = new Float32Array(memory.buffer, plan.replicas[0].flat, architecture.flatSize);
  if (recipe.init.startsWith('sha256:')) {
    const digest = initial === null ? null : `sha256:${weightsDigest(initial)}`;
    if (initial === null || digest !== recipe.init) {
      throw usageError(
        `${label('init')}: the recipe starts from the model ${recipe.init}, got ${digest ?? 'no file'}; give that file with --init FILE`,
      );
    }
    restoreSnapshot(architecture, initial, flat);
  } else {
    const functions = instantiateKernels(kernels, memory);
    initialise(architecture, recipe.init, recipe.seed, functions, memory, flat, plan.gradient);
  }
  const reset = recipe.resetRunningStats !== 'never';
  if (reset) resetRunningStats(architecture, flat);
  return new Map(
    counterNames(architecture).map((name) => [name, (reset ? 0n : initial?.counters.get(name)) ?? 0n]),
  );
}
