/** A training from its recipe's fields to its result: what the library and the command line have in common. */
import { resolve } from 'node:path';
import { coordinate } from '../coordinator/coordinator.ts';
import { resultOf } from '../coordinator/early-stopping.ts';
import { prepareRun, type Run } from '../coordinator/prepare.ts';
import type { Hooks, Outcome } from '../coordinator/reports.ts';
import type { RunState } from '../coordinator/run-state.ts';
import {
  classCount,
  type DatasetSource,
  imageShape,
  memoryDataset,
  openDataset,
} from '../shared/data/dataset.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { LockstepError, quoted, reasonOf, usageError } from '../shared/errors.ts';
import { type KernelChoice, loadKernels } from '../shared/kernels/load.ts';
import { parseArchitecture } from '../shared/model/architecture.ts';
import { stateDigest, weightsDigest } from '../shared/model/snapshot.ts';
import { valueCount } from '../shared/model/tensors.ts';
import { differingFields, type Recipe, recipeId } from '../shared/recipe/recipe.ts';
import { checkSamples, type Draft, draftRecipe, type Label } from '../shared/recipe/resolve.ts';
import { architectureOf } from '../shared/recipe/stored.ts';
import { checkThreads, Team } from '../worker/team.ts';
import { TrainedModel } from './model.ts';
import type { MpiJob } from './mpi-job.ts';
import type { DataInMemory } from './options.ts';
import type { RunOutputs } from './run-outputs.ts';
import { type Summary, summarise } from './summary.ts';
import type { WorkersSettings } from './workers.ts';

export interface TrainResult {
  readonly model: TrainedModel;
  readonly summary: Summary;
}

export interface RunSettings {
  readonly label: Label;
  /** Null for what the recipe's fields say. */
  readonly data: string | DataInMemory | null;
  readonly initial: TrainedModel['snapshot'] | null;
  readonly threads: number;
  readonly kernels: KernelChoice;
  /** Workers from elsewhere, or null for the threads of this process alone. */
  readonly workers: WorkersSettings | null;
  /** The job of ranks that share every batch; none for a process of its own. */
  readonly mpi?: MpiJob | null;
  readonly hooks: Hooks;
  /** The run to go on with, and where, null for its beginning; nothing for a run that begins. */
  readonly resumed?: { readonly recipe: Recipe; readonly state: RunState | null } | null;
  /** Takes what the run leaves, and is closed whatever happens. */
  readonly outputs?: RunOutputs | null;
  /** The command line, for the run's folder. */
  readonly command?: readonly string[] | null;
  /** What the recipe is called, for the run's folder. */
  readonly recipeName?: string | null;
}

/** Trains a recipe given by its fields. */
export async function trainFields(fields: unknown, settings: RunSettings): Promise<TrainResult> {
  try {
    return await trainToEnd(fields, settings, performance.now());
  } finally {
    await settings.outputs?.close();
  }
}

/** A run that is ready to begin, and how many threads of this process would compute: 0 where only workers do. */
export interface PreparedRun {
  readonly run: Run;
  readonly threads: number;
  readonly source: DatasetSource;
}

/**
 * Checks everything, reads the data and writes the first replica; computes no step and writes no file.
 * @throws LockstepError (USAGE, DATA)
 */
export async function prepareFields(
  fields: unknown,
  settings: Pick<RunSettings, 'label' | 'data' | 'initial' | 'threads' | 'kernels' | 'resumed' | 'mpi'> & {
    readonly workers: Pick<WorkersSettings, 'threads'> | null;
  },
): Promise<PreparedRun> {
  const { label, data, initial, workers, resumed = null } = settings;
  const init = initial === null ? {} : { init: `sha256:${weightsDigest(initial)}` };
  const named = data === null ? {} : { data: typeof data === 'string' ? data : 'memory' };
  const draft = draftRecipe(isObject(fields) ? { ...fields, ...named, ...init } : fields, label);
  if (initial !== null) checkFits(initial, draft.model, label('init'));
  const threads = workers?.threads === 0 ? 0 : checkThreads(settings.threads, label('threads'));
  const kernels = loadKernels(settings.kernels);
  const source =
    data === null || typeof data === 'string'
      ? openDataset(draft.data, knownDatasets, label('data'))
      : memoryDataset(data);
  const checked =
    resumed === null
      ? draft
      : checkSame(checkSamples(draft, source.samples.train, label), resumed.recipe, label);
  const from = resumed?.state ?? null;
  const run = await prepareRun({
    draft: checked,
    source,
    kernels,
    initial,
    label,
    from,
    threads: workers === null ? threads : 1,
    ranks: settings.mpi?.ranks,
  });
  return { run, threads, source };
}

async function trainToEnd(fields: unknown, settings: RunSettings, startMs: number): Promise<TrainResult> {
  const { workers, resumed = null, outputs = null, mpi = null } = settings;
  const { run, threads, source } = await prepareFields(fields, settings);
  const { kernels } = run;
  const { command = null, recipeName = null } = settings;
  const start = { command, data: placeOf(source.name), threads, recipeName };
  const keeping = outputs?.isKept ? outputs : null;
  const hooks = outputs === null ? settings.hooks : withOutputs(settings.hooks, outputs, start);
  if (workers !== null) {
    const { openWorkers } = await import('./workers.ts');
    const open = await openWorkers(run, kernels, workers);
    try {
      const outcome = await coordinate(run, open.fleet, hooks, keeping);
      await open.close(
        outcome.stoppedBy === null ? 'the run is done' : `stopped after step ${outcome.steps}`,
      );
      // Threads of this process are no worker that came.
      const own = threads > 0 ? 1 : 0;
      const came = { ...outcome, joins: outcome.joins - own };
      return result(came, { threads, workers: outcome.work.length - own });
    } catch (error) {
      const isStopped = error instanceof LockstepError && error.code === 'INTERRUPTED';
      await open.close(`the run ${isStopped ? 'was stopped' : 'failed'}: ${reasonOf(error)}`, !isStopped);
      throw error;
    }
  }
  if (mpi !== null) {
    const { trainWithRanks } = await import('./mpi-training.ts');
    const outcome = await trainWithRanks(run, mpi, threads, hooks, keeping);
    return result(outcome, { threads, workers: mpi.ranks.count });
  }
  const { setup, memory, committed } = run;
  const onDeath = (reason: string) => outputs?.threadDied(reason);
  const team = await Team.start({ setup, kernels, memory, committed, onDeath });
  try {
    return result(await coordinate(run, team, hooks, keeping), { threads, workers: 0 });
  } finally {
    await team.close();
  }

  function result(outcome: Outcome, team: Pick<Summary, 'threads' | 'workers'>): TrainResult {
    const model = new TrainedModel(run.recipe, outcome.snapshot);
    const isFinished = outcome.stoppedBy === null || outcome.stoppedBy === 'earlyStopping';
    outputs?.save(model, isFinished);
    const resumedAtStep = resumed === null ? null : run.committed;
    const seconds = (performance.now() - startMs) / 1000;
    const how = { ...team, kernels: kernels.set, resumedAtStep };
    return { model, summary: summarise(outcome, seconds, how) };
  }
}

/** The result of a run that is finished, without training, data or threads. */
export function finishedResult(
  recipe: Recipe,
  state: RunState,
  { threads, kernels }: Pick<RunSettings, 'threads' | 'kernels'>,
): TrainResult {
  const startMs = performance.now();
  const { snapshot, test, bestEpoch } = resultOf(state);
  if (test === null) throw new Error('a run without epochs has nothing to tell');
  const steps = state.epochs.at(-1)?.steps ?? 0;
  const outcome: Outcome = {
    recipeId: recipeId(recipe),
    snapshot,
    weightsDigest: weightsDigest(snapshot),
    stateDigest: stateDigest(architectureOf(recipe.model, 'model'), state.snapshot, state),
    chain: state.chain,
    epochs: state.epochs,
    steps,
    stepsComputed: 0,
    samples: 0,
    trainSeconds: 0,
    test,
    bestEpoch,
    stoppedBy: state.epoch === recipe.epochs ? null : 'earlyStopping',
    work: [],
    deaths: 0,
    joins: 0,
    shardsRecomputed: 0,
  };
  const seconds = (performance.now() - startMs) / 1000;
  const how = { threads, workers: 0, kernels: loadKernels(kernels).set, resumedAtStep: steps };
  return { model: new TrainedModel(recipe, snapshot), summary: summarise(outcome, seconds, how) };
}

/** What the outputs are told comes before the caller's own hook. */
function withOutputs(hooks: Hooks, outputs: RunOutputs, start: Parameters<RunOutputs['open']>[1]): Hooks {
  return {
    ...hooks,
    onStart: async (run, live) => {
      await outputs.open(live, start);
      await hooks.onStart?.(run, live);
    },
    onSteps: (reports) => {
      outputs.steps(reports);
      hooks.onSteps?.(reports);
    },
    onPeriod: (period) => {
      outputs.period(period);
      hooks.onPeriod?.(period);
    },
    onEpoch: (report) => {
      outputs.epoch(report);
      return hooks.onEpoch?.(report);
    },
  };
}

/**
 * The draft of a run that goes on, with the data that it began with.
 * @throws LockstepError (USAGE) naming the first field that is another than in its recipe
 */
export function checkSame(draft: Draft, recipe: Recipe, label: Label): Draft {
  const { data: _, dataset, ...rest } = draft;
  const same = { ...rest, dataset: dataset ?? recipe.dataset };
  const [field] = differingFields(same, recipe);
  if (field === undefined) return { ...draft, dataset: recipe.dataset };
  const [got, expected] = [same, recipe].map((one) => quoted(String(Reflect.get(one, field) ?? 'nothing')));
  throw usageError(
    `${label(field)}: got ${got}, expected ${expected} as the run began; leave it out, or begin another run`,
  );
}

/** Where data lies, for whoever goes on with the run from another folder. */
function placeOf(data: string): string {
  return data === 'memory' || knownDatasets.some(({ name }) => name === data) ? data : resolve(data);
}

/** @throws LockstepError (USAGE) when the tensors are not those of the layers */
function checkFits({ tensors }: TrainedModel['snapshot'], modelText: string, where: string): void {
  const expected = parseArchitecture(modelText, imageShape, classCount, where).tensors;
  const fits = expected.every((tensor) => tensors.get(tensor.name)?.length === valueCount(tensor));
  if (fits && tensors.size === expected.length) return;
  throw usageError(
    `${where}: the model to start from has other tensors than ${quoted(modelText)}, expected a model of these layers`,
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
