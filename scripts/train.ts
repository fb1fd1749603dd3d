/** The library's `train` and `resume`. */
import { availableParallelism } from 'node:os';
import type { Hooks } from '../coordinator/reports.ts';
import { dataError, type LockstepError, usageError } from '../shared/errors.ts';
import { type KernelChoice, kernelChoices } from '../shared/kernels/load.ts';
import { type RecipeFields, recipeKeys } from '../shared/recipe/resolve.ts';
import { type BestBy, type KeepTexts, parseKeepSettings, resumedKeepSettings } from './keep-settings.ts';
import { TrainedModel } from './model.ts';
import { checkChoice, checkData, checkOptions, type DataInMemory, type OptionKind } from './options.ts';
import { type BuiltInRecipe, builtInFields } from './recipes/built-in.ts';
import { openResumed } from './resumed-run.ts';
import { RunOutputs } from './run-outputs.ts';
import { finishedResult, type TrainResult, trainFields } from './training.ts';

type OptionalFields = {
  readonly [Key in Exclude<keyof RecipeFields, 'data'>]?: RecipeFields[Key] | undefined;
};

/** How it is run, which never changes the bits. */
interface HowOptions extends Hooks {
  /** 1 … 1024, by default the cores available; the result is the same for any number. */
  readonly threads?: number | undefined;
  readonly kernels?: KernelChoice | undefined;
  /** Checkpoints beside those of every epoch's end: a number of steps, or a time like `5s`. */
  readonly checkpointEvery?: number | string | undefined;
  /** Checkpoints that are kept, at least 2; 3 if nothing is said. */
  readonly keep?: number | undefined;
  /** The number by which `best.safetensors` is chosen, `testLoss` if nothing is said. */
  readonly monitor?: BestBy | undefined;
  /** Told of everything that cannot be written while the run goes on; by default a warning of the process. */
  readonly onWarning?: ((warning: LockstepError) => void) | undefined;
}

/** A recipe by name, with fields that replace its own; without a name, fields that replace the bare defaults. */
export interface TrainOptions extends HowOptions, OptionalFields {
  /** `mnist` where neither a recipe nor a model is given. */
  readonly recipe?: BuiltInRecipe | undefined;
  /** A data set's name, a folder with IDX files, or data in memory. */
  readonly data?: string | DataInMemory | undefined;
  /** The model to start from; without a recipe's name its layers and scale are taken over too. */
  readonly from?: TrainedModel | undefined;
  /** A folder to keep the run in: recipe, log, checkpoints, models. Nothing is kept without. */
  readonly run?: string | undefined;
}

export interface ResumeOptions extends HowOptions {
  /** Where the data is now, if it is not where the run found it. */
  readonly data?: string | DataInMemory | undefined;
  /** The model that the run began with, where it began with one and no checkpoint is valid. */
  readonly from?: TrainedModel | undefined;
}

const howOptions = {
  threads: 'any',
  kernels: 'text',
  checkpointEvery: 'any',
  keep: 'any',
  monitor: 'text',
  onStep: 'function',
  onSteps: 'function',
  onEpoch: 'function',
  onEvaluation: 'function',
  onPeriod: 'function',
  onStart: 'function',
  onWarning: 'function',
  signal: 'signal',
} as const satisfies Readonly<Record<string, OptionKind>>;

const trainOptions: Readonly<Record<string, OptionKind>> = {
  ...Object.fromEntries(recipeKeys.map((key) => [key, 'any' as const])),
  recipe: 'text',
  from: 'any',
  run: 'text',
  ...howOptions,
};

const resumeOptions: Readonly<Record<string, OptionKind>> = { data: 'any', from: 'any', ...howOptions };

/**
 * Trains a model on the threads of this process. When it is stopped by a callback or by the signal, the result
 * is the model as it was after the last step; with a run folder, `resume` goes on from there.
 * @throws LockstepError with code USAGE, DATA, OUTPUT, DIVERGED or TEAM
 */
export async function train(options: TrainOptions = {}): Promise<TrainResult> {
  checkOptions(options, trainOptions, 'train');
  const { recipe, data, from, run, ...rest } = options;
  const { how, fields } = splitOptions(rest);
  checkPlace(data, from, 'train');
  const settings = parseKeepSettings(textsOfOptions(how), (name) => `train: ${name}`);
  const lost = (['checkpointEvery', 'keep', 'monitor'] as const).find((name) => how[name] !== undefined);
  if (run === undefined && lost !== undefined) {
    throw usageError(`train: ${lost}: got it without run, expected a folder to keep the run in, too`);
  }
  const folder = run === undefined ? null : ({ kind: 'named', path: run, label: 'train: run' } as const);
  return trainFields(
    { ...startingFields(recipe, from, fields), ...defined(fields) },
    {
      ...runSettings(how, 'train'),
      data: data ?? null,
      initial: from?.snapshot ?? null,
      outputs:
        folder === null
          ? null
          : new RunOutputs({ folder, keep: settings, log: null, out: null, alarm: alarmOf(how) }),
    },
  );
}

/**
 * Goes on with a run that was kept in a folder, on the threads of this process, to the result that it would have had
 * if it had never been stopped. One that is finished gives its result again.
 * @throws LockstepError with code USAGE, DATA, OUTPUT, DIVERGED or TEAM
 */
export async function resume(folder: string, options: ResumeOptions = {}): Promise<TrainResult> {
  if (typeof folder !== 'string')
    throw usageError(`resume: got ${typeof folder}, expected the folder of a run`);
  checkOptions(options, resumeOptions, 'resume');
  const { data, from, ...how } = options;
  checkPlace(data, from, 'resume');
  const settings = runSettings(how, 'resume');
  const resumed = await openResumed(folder, 'resume');
  try {
    for (const warning of resumed.warnings) alarmOf(how)(dataError(warning));
    const keep = resumedKeepSettings(textsOfOptions(how), (name) => `resume: ${name}`, resumed.settings);
    const { recipe, state } = resumed;
    if (state !== null && resumed.lock === null) return finishedResult(recipe, state, settings);
    if (resumed.data === 'memory' && data === undefined) {
      throw usageError('resume: data: got nothing, expected the data in memory that the run was trained on');
    }
    return await trainFields(
      { ...recipe, ...(resumed.data !== null && { data: resumed.data }) },
      {
        ...settings,
        data: data ?? null,
        initial: from?.snapshot ?? null,
        resumed,
        outputs: new RunOutputs({
          folder: { kind: 'resumed', resumed },
          keep,
          log: null,
          out: null,
          alarm: alarmOf(how),
        }),
      },
    );
  } finally {
    resumed.lock?.release();
  }
}

function splitOptions(options: HowOptions & OptionalFields): { how: HowOptions; fields: OptionalFields } {
  const isHow = ([name]: [string, unknown]) => Object.hasOwn(howOptions, name);
  const entries = Object.entries(options);
  return {
    how: Object.fromEntries(entries.filter(isHow)),
    fields: Object.fromEntries(entries.filter((entry) => !isHow(entry))),
  };
}

function runSettings({ threads, kernels, ...rest }: HowOptions, where: string) {
  if (kernels !== undefined) checkChoice(kernels, kernelChoices, `${where}: kernels`);
  const { onStep, onSteps, onEpoch, onEvaluation, onStart, signal } = rest;
  return {
    label: (key: string) => `${where}: ${key}`,
    threads: threads ?? availableParallelism(),
    kernels: kernels ?? 'auto',
    workers: null,
    hooks: { onStep, onSteps, onEpoch, onEvaluation, onStart, signal },
  } as const;
}

function checkPlace(data: unknown, from: unknown, where: string): void {
  if (data !== undefined) checkData(data, `${where}: data`);
  if (from !== undefined && !(from instanceof TrainedModel)) {
    throw usageError(`${where}: from: expected a model of train or loadModel`);
  }
}

function textsOfOptions({ checkpointEvery, keep, monitor }: HowOptions): KeepTexts {
  return { checkpointEvery: textOf(checkpointEvery), keep: textOf(keep), monitor };
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}

function alarmOf({ onWarning }: HowOptions): (warning: LockstepError) => void {
  return onWarning ?? ((warning) => process.emitWarning(warning.message, 'LockstepWarning'));
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

/** Without the fields that were given as undefined, so that they do not hide a recipe's own. */
function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
