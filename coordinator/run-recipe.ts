/** The recipe that a run keeps in its folder. */
import { join } from 'node:path';
import { readRegularFile, shownPath } from '../shared/data/regular-file.ts';
import { dataError, reasonOf } from '../shared/errors.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../shared/recipe/resolve.ts';

/** Recipe files have a few hundred bytes. */
export const largestRecipe = 65_536;

/**
 * Reads `recipe.json` of a folder.
 * @param label what the folder was given as, for messages
 * @throws LockstepError (DATA)
 */
export function readRunRecipe(folder: string, label: string): Recipe {
  const path = join(folder, 'recipe.json');
  const bytes = readRegularFile(path, largestRecipe);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const draft = draftRecipe(JSON.parse(text), (key) => key);
    if (draft.dataset === null) throw new Error('it names no dataset');
    return finishRecipe(draft, draft.dataset);
  } catch (error) {
    throw dataError(
      `${label}: the recipe in ${shownPath(path)} cannot be used (${reasonOf(error)}); put back the one that the run began with`,
      error,
    );
  }
}
