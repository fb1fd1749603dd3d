/** What a file or a folder is, for `inspect`: a model, a checkpoint, a recipe, a run with either, or somebody else's. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkpoint } from '../../coordinator/checkpoint.ts';
import { logLines } from '../../coordinator/log-cut.ts';
import { classCount, imageShape } from '../../shared/data/dataset.ts';
import { shownPath } from '../../shared/data/regular-file.ts';
import { suggestion, usageError } from '../../shared/errors.ts';
import { type Architecture, parseArchitecture } from '../../shared/model/architecture.ts';
import type { SafetensorsFile } from '../../shared/model/safetensors.ts';
import { canonicalJson } from '../../shared/recipe/recipe.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { loadModel, readStored, type TrainedModel } from '../model.ts';
import { isFolder, modelPath } from '../model-path.ts';
import { builtInRecipes } from '../recipes/built-in.ts';
import type { FlagValues } from './flag-values.ts';
import { chooseRecipe } from './recipe-fields.ts';

/** Of an epoch that is done, as the log has it. */
export interface EpochFacts {
  readonly epoch: number;
  readonly loss: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

export interface RunFacts {
  readonly folder: string;
  /** Files with checkpoints. */
  readonly checkpoints: number;
}

export type Contents = { readonly file: string; readonly run: RunFacts | null } & (
  | {
      readonly kind: 'recipe';
      readonly recipe: Readonly<Record<string, unknown>>;
      readonly architecture: Architecture;
      readonly epochs: readonly EpochFacts[];
    }
  | {
      readonly kind: 'model' | 'checkpoint';
      readonly recipe: Readonly<Record<string, unknown>>;
      readonly architecture: Architecture;
      readonly model: TrainedModel;
      readonly metadata: SafetensorsFile['metadata'];
      readonly checkpoint: Checkpoint | null;
      readonly epochs: readonly EpochFacts[];
    }
  | {
      /** Without a recipe: nothing is known of its layers. */
      readonly kind: 'foreign';
      readonly stored: SafetensorsFile;
    }
);

/** @throws LockstepError (USAGE) when there is no such thing, (DATA) when it is broken */
export function readContents(path: string, flags: FlagValues): Contents {
  if (isFolder(path)) return readRun(path, flags);
  if (!path.endsWith('.json') && existsSync(path)) return readWeights(path, null, []);
  if (existsSync(path) || Object.hasOwn(builtInRecipes, path)) return readRecipe(path, null, [], flags);
  const known = Object.keys(builtInRecipes);
  throw usageError(
    `inspect: there is no ${shownPath(path)}${suggestion(path, known) || `, expected a model, a checkpoint, a run folder, ${known.join(', ')} or a recipe in JSON`}`,
  );
}

/** A run's model, its newest checkpoint, or its recipe while it has neither. */
function readRun(folder: string, flags: FlagValues): Contents {
  const run = { folder, checkpoints: countCheckpoints(join(folder, 'checkpoints')) };
  const epochs = readEpochs(join(folder, 'log.jsonl'));
  if (existsSync(join(folder, 'model.safetensors')) || run.checkpoints > 0) {
    return readWeights(modelPath(folder, 'inspect'), run, epochs);
  }
  const recipe = join(folder, 'recipe.json');
  if (existsSync(recipe)) return readRecipe(recipe, run, epochs, flags);
  throw usageError(
    `inspect: ${shownPath(folder)} has neither a model.safetensors nor a recipe.json, expected the folder of a run`,
  );
}

function readWeights(file: string, run: RunFacts | null, logged: readonly EpochFacts[]): Contents {
  const { file: stored, checkpoint } = readStored(file);
  if (checkpoint === null && stored.metadata.recipe === undefined)
    return { kind: 'foreign', file, run, stored };
  const model = loadModel(file);
  return {
    kind: checkpoint === null ? 'model' : 'checkpoint',
    file,
    run,
    model,
    checkpoint,
    metadata: stored.metadata,
    recipe: JSON.parse(canonicalJson(model.recipe)) as Record<string, unknown>,
    architecture: model.architecture,
    epochs: logged.length > 0 ? logged : (checkpoint?.state.epochs.map(epochFacts) ?? []),
  };
}

function readRecipe(
  file: string,
  run: RunFacts | null,
  epochs: readonly EpochFacts[],
  flags: FlagValues,
): Contents {
  const { fields, label } = chooseRecipe(file, flags);
  const draft = draftRecipe(fields, label);
  const architecture = parseArchitecture(draft.model, imageShape, classCount, label('model'));
  return { kind: 'recipe', file, run, recipe: { ...draft }, architecture, epochs };
}

function countCheckpoints(folder: string): number {
  return isFolder(folder) ? readdirSync(folder).filter((name) => name.endsWith('.safetensors')).length : 0;
}

/** The epochs that a log tells of; none where there is no log. A line that was torn is none. */
function readEpochs(path: string): EpochFacts[] {
  if (!existsSync(path)) return [];
  const epochs: EpochFacts[] = [];
  for (const line of logLines(path)) {
    const facts = line.includes('"testLoss"') ? parseEpoch(line) : null;
    if (facts !== null) epochs.push(facts);
  }
  return epochs.reverse();
}

function parseEpoch(line: string): EpochFacts | null {
  try {
    const facts = JSON.parse(line) as EpochFacts;
    return isEpoch(facts) ? epochFacts(facts) : null;
  } catch {
    return null; // torn by the end of a process
  }
}

function isEpoch(facts: EpochFacts): boolean {
  const { epoch, loss, testLoss, testAccuracy, seconds } = facts;
  return [epoch, loss, testLoss, testAccuracy, seconds].every((fact) => Number.isFinite(fact));
}

function epochFacts({ epoch, loss, testLoss, testAccuracy, seconds }: EpochFacts): EpochFacts {
  return { epoch, loss, testLoss, testAccuracy, seconds };
}
