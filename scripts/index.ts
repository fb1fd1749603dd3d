/** Lockstep as a library: `import { train, evaluate, loadModel } from 'lockstep'`. */
import { availableParallelism } from 'node:os';
import { coordinate } from '../coordinator/coordinator.ts';
import { type Evaluation, readEvaluation } from '../coordinator/evaluation.ts';
import { prepareRun, type Run } from '../coordinator/prepare.ts';
import type { Hooks, Outcome } from '../coordinator/reports.ts';
import {
  classCount,
  type DatasetSource,
  imageShape,
  type MemorySplit,
  memoryDataset,
  openDataset,
} from '../shared/data/dataset.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { dataError, LockstepError, quoted, reasonOf, usageError } from '../shared/errors.ts';
import { type KernelChoice, kernelChoices, loadKernels } from '../shared/kernels/load.ts';
import { loadSplit } from '../shared/load-data.ts';
import { parseArchitecture } from '../shared/model/architecture.ts';
import { evaluationShard } from '../shared/model/memory-plan.ts';
import { weightsDigest } from '../shared/model/snapshot.ts';
import { valueCount } from '../shared/model/tensors.ts';
import { draftRecipe, type Label, type RecipeFields, recipeKeys } from '../shared/recipe/resolve.ts';
import { checkThreads, Team } from '../worker/team.ts';
import { TrainedModel } from './model.ts';
import { checkChoice, checkData, checkOptions, type OptionKind } from './options.ts';
import { type BuiltInRecipe, builtInFields } from './recipes/built-in.ts';
import { type Summary, summarise } from './summary.ts';
import type { WorkersSettings } from './workers.ts';

export type { Prediction } from '../coordinator/inference.ts';
export type { EpochReport, Hooks, Position, StepReport } from '../coordinator/reports.ts';
export { LockstepError } from '../shared/errors.ts';
export type { Recipe } from '../shared/recipe/recipe.ts';
export type { WorkAccount } from '../shared/training.ts';
export { loadModel } from './model.ts';
export type {
  BuiltInRecipe,
  DatasetSource,
  Evaluation,
  KernelChoice,
  MemorySplit,
  RecipeFields,
  Summary,
  TrainedModel,
};

/** Images, each (28, 28) bytes, and their labels 0 … 9, to train on and to test with. */
export interface DataInMemory {
  readonly train: MemorySplit;
  readonly test: MemorySplit;
}

type OptionalFields = {
  readonly [Key in Exclude<keyof RecipeFields, 'data'>]?: RecipeFields[Key] | undefined;
};

/** A recipe by name, with fields that replace its own; without a name, fields that replace the bare defaults. */
export interface TrainOptions extends Hooks, OptionalFields {
  /** `mnist` where neither a recipe nor a model is given. */
  readonly recipe?: BuiltInRecipe | undefined;
  /** A data set's name, a folder with IDX files, or data in memory. */
  readonly data?: string | DataInMemory | undefined;
  /** The model to start from; without a recipe's name its layers and scale are taken over too. */
  readonly from?: TrainedModel | undefined;
  /** 1 … 1024, by default the cores available; the result is the same for any number. */
  readonly threads?: number | undefined;
  readonly kernels?: KernelChoice | undefined;
}

export interface TrainResult {
  readonly model: TrainedModel;
  readonly summary: Summary;
}

const trainOptions: Readonly<Record<string, OptionKind>> = {
  ...Object.fromEntries(recipeKeys.map((key) => [key, 'any' as const])),
  recipe: 'text',
  from: 'any',
  threads: 'any',
  kernels: 'text',
  onStep: 'function',
  onSteps: 'function',
  onEpoch: 'function',
  onStart: 'function',
  signal: 'signal',
};

/**
 * Trains a model on the threads of this process. When it is stopped by a callback or by the signal, the result
 * is the model as it was after the last step.
 * @throws LockstepError with code USAGE, DATA, DIVERGED or TEAM
 */
export async function train(options: TrainOptions = {}): Promise<TrainResult> {
  checkOptions(options, trainOptions, 'train');
  const { recipe, data, from, threads, kernels, onStep, onSteps, onEpoch, onStart, signal, ...fields } =
    options;
  if (kernels !== undefined) checkChoice(kernels, kernelChoices, 'train: kernels');
  if (data !== undefined) checkData(data, 'train: data');
  if (from !== undefined && !(from instanceof TrainedModel)) {
    throw usageError('train: from: expected a model of train or loadModel');
  }
  return trainFields(
    { ...startingFields(recipe, from, fields), ...defined(fields) },
    {
      label: (key) => `train: ${key}`,
      data: data ?? null,
      initial: from?.snapshot ?? null,
      threads: threads ?? availableParallelism(),
      kernels: kernels ?? 'auto',
      workers: null,
      hooks: { onStep, onSteps, onEpoch, onStart, signal },
    },
  );
}

/** Without a recipe's name, a model to start from brings its layers and the scale that it is used to. */
function startingFields(
  recipe: string | undefined,
  from: TrainedModel | undefined,
  { model }: OptionalFields,
): RecipeFields {
  if (recipe !== undefined) return builtInFields(recipe);
  if (from !== undefined) return { model: from.recipe.model, scale: from.recipe.scale };
  return builtInFields(model === undefined ? 'mnist' : undefined);
}

/** What {@link train} and the command line have in common. */
export interface RunSettings {
  readonly label: Label;
  /** Null for what the recipe's fields say. */
  readonly data: string | DataInMemory | null;
  readonly initial: TrainedModel['snapshot'] | null;
  readonly threads: number;
  readonly kernels: KernelChoice;
  /** Workers from elsewhere, or null for the threads of this process alone. */
  readonly workers: WorkersSettings | null;
  readonly hooks: Hooks;
}

/** Trains a recipe given by its fields. */
export async function trainFields(fields: unknown, settings: RunSettings): Promise<TrainResult> {
  const startMs = performance.now();
  const { label, data, initial, hooks } = settings;
  const init = initial === null ? {} : { init: `sha256:${weightsDigest(initial)}` };
  const named = data === null ? {} : { data: typeof data === 'string' ? data : 'memory' };
  const draft = draftRecipe(isObject(fields) ? { ...fields, ...named, ...init } : fields, label);
  if (initial !== null) checkFits(initial, draft.model, label('init'));
  const { workers } = settings;
  const threads = workers?.threads === 0 ? 0 : checkThreads(settings.threads, label('threads'));
  const kernels = loadKernels(settings.kernels);
  const source =
    data === null || typeof data === 'string'
      ? openDataset(draft.data, knownDatasets, label('data'))
      : memoryDataset(data);
  const options = { draft, source, kernels, initial, label };
  if (workers !== null) {
    const run = await prepareRun({ ...options, threads: 1 });
    const { openWorkers } = await import('./workers.ts');
    const open = await openWorkers(run, kernels, workers);
    try {
      const outcome = await coordinate(run, open.fleet, hooks);
      await open.close(
        outcome.stoppedBy === null ? 'the run is done' : `stopped after step ${outcome.steps}`,
      );
      // Threads of this process are no worker that came.
      const own = threads > 0 ? 1 : 0;
      const came = { ...outcome, joins: outcome.joins - own };
      return result(run, came, { threads, workers: outcome.work.length - own });
    } catch (error) {
      const isStopped = error instanceof LockstepError && error.code === 'INTERRUPTED';
      await open.close(`the run ${isStopped ? 'was stopped' : 'failed'}: ${reasonOf(error)}`, !isStopped);
      throw error;
    }
  }
  const run = await prepareRun({ ...options, threads });
  const team = await Team.start({ setup: run.setup, kernels, memory: run.memory });
  try {
    return result(run, await coordinate(run, team, hooks), { threads, workers: 0 });
  } finally {
    await team.close();
  }

  function result(run: Run, outcome: Outcome, team: Pick<Summary, 'threads' | 'workers'>): TrainResult {
    const summary = summarise(run, outcome, (performance.now() - startMs) / 1000, team);
    return { model: new TrainedModel(run.recipe, outcome.snapshot), summary };
  }
}

/**
 * Evaluates a model, with running statistics only; the model is not changed.
 * @param options.data where the samples come from, by default `mnist`; `split` which of them, by default `test`
 * @throws LockstepError with code USAGE or DATA
 */
export async function evaluate(
  model: TrainedModel,
  options: {
    readonly data?: string | DataInMemory;
    readonly split?: 'train' | 'test';
    readonly kernels?: KernelChoice;
  } = {},
): Promise<Evaluation> {
  checkOptions(options, { data: 'any', split: 'text', kernels: 'text' }, 'evaluate');
  const { data = 'mnist', split = 'test', kernels = 'auto' } = options;
  checkChoice(split, ['train', 'test'], 'evaluate: split');
  checkChoice(kernels, kernelChoices, 'evaluate: kernels');
  checkData(data, 'evaluate: data');
  const source =
    typeof data === 'string' ? openDataset(data, knownDatasets, 'evaluate: data') : memoryDataset(data);
  const inference = model.inference(loadKernels(kernels), source.samples[split]);
  await loadSplit(source, split, inference.plan.test, inference.memory);
  inference.evaluate();
  const evaluation = readEvaluation(inference.plan, inference.memory, 'test', classCount);
  if (evaluation.badShard !== null) {
    throw dataError(
      `the model's loss is NaN or infinite, first in samples ${evaluation.badShard * evaluationShard} and following; ` +
        'its numbers are too large to evaluate',
    );
  }
  return evaluation;
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

/** Without the fields that were given as undefined, so that they do not hide a recipe's own. */
function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
