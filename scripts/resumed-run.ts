/** A run that goes on: what its folder says of it, and that nobody else trains it. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newestCheckpoint } from '../coordinator/checkpoints.ts';
import { isFinished } from '../coordinator/early-stopping.ts';
import { RunLock } from '../coordinator/run-lock.ts';
import { readRunRecipe } from '../coordinator/run-recipe.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { shownPath } from '../shared/data/regular-file.ts';
import { dataError, LockstepError, usageError } from '../shared/errors.ts';
import { differingFields, type Recipe } from '../shared/recipe/recipe.ts';
import { rememberStart } from './environment.ts';
import { type KeepSettings, type KeepTexts, keepDefaults, parseKeepSettings } from './keep-settings.ts';
import { runFiles } from './run-keeper.ts';

export interface ResumedRun {
  readonly folder: string;
  readonly recipe: Recipe;
  /** Where it goes on from; null for the beginning, where no checkpoint is valid. */
  readonly state: RunState | null;
  /** The checkpoint's file. */
  readonly checkpoint: string | null;
  /** Newer checkpoints that were refused, and why. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
  /** What its recipe is called, as far as that is known. */
  readonly recipeName: string | null;
  /** The data that it was trained on, as far as that is known, and how it was kept. */
  readonly data: string | null;
  readonly settings: KeepSettings;
  /** What of that could not be used, in words. */
  readonly warnings: readonly string[];
  /** Null for a run that is finished, whose folder is only read. */
  readonly lock: RunLock | null;
}

/**
 * Opens a run's folder to go on with it; its lock is the caller's to release.
 * @param label what the folder was given as, for messages
 * @throws LockstepError (USAGE) when there is no such run or another process trains it, (DATA) when its recipe cannot be
 *   used, (OUTPUT) when nothing can be written there
 */
export async function openResumed(folder: string, label: string): Promise<ResumedRun> {
  checkFolder(folder, label);
  const recipe = readRunRecipe(folder, label);
  const found = look(folder, recipe);
  const { data, recipeName, keep } = rememberStart(folder);
  const known = { data, recipeName, ...rememberedSettings(keep, join(folder, 'environment.json')) };
  // One without epochs has no evaluation to give: it is asked for anew.
  if (found.state !== null && recipe.epochs > 0 && isFinished(recipe, found.state)) {
    return { folder, recipe, ...found, ...known, lock: null };
  }
  const lock = await RunLock.take(folder, label);
  try {
    // Whoever had it until now may have gone on.
    return { folder, recipe, ...look(folder, recipe), ...known, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** How the run was kept; by default where the file was altered and says what cannot be. */
function rememberedSettings(keep: KeepTexts, path: string): Pick<ResumedRun, 'settings' | 'warnings'> {
  const warnings: string[] = [];
  let settings = keepDefaults;
  for (const name of ['checkpointEvery', 'keep', 'monitor'] as const) {
    try {
      settings = parseKeepSettings({ [name]: keep[name] }, () => `${shownPath(path)}: ${name}`, settings);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      warnings.push(`${error.message}; going on with the default`);
    }
  }
  return { settings, warnings };
}

function checkFolder(folder: string, label: string): void {
  const status = statSync(folder, { throwIfNoEntry: false });
  if (status?.isDirectory() && existsSync(join(folder, runFiles.recipe))) return;
  const got =
    status === undefined
      ? `there is no ${shownPath(folder)}`
      : status.isDirectory()
        ? `${shownPath(folder)} has no ${runFiles.recipe}`
        : `${shownPath(folder)} is no folder`;
  throw usageError(`${label}: ${got}, expected the folder of a run, as train writes it`);
}

/** @throws LockstepError (DATA) when the newest checkpoint is another run's */
function look(folder: string, recipe: Recipe): Pick<ResumedRun, 'state' | 'checkpoint' | 'refused'> {
  const { found, refused } = newestCheckpoint(join(folder, runFiles.checkpoints));
  if (found === null) return { state: null, checkpoint: null, refused };
  const [field] = differingFields(recipe, found.recipe);
  if (field === undefined) return { state: found.state, checkpoint: found.path, refused };
  throw dataError(
    `${shownPath(join(folder, runFiles.recipe))}: ${field} is another than in ${shownPath(found.path)}; ` +
      'put back the recipe that the run began with',
  );
}
