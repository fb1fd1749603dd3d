/** The recipe that a model or a checkpoint carries in its metadata. */
import { classCount, imageShape } from '../data/dataset.ts';
import { shownPath } from '../data/regular-file.ts';
import { dataError, reasonOf } from '../errors.ts';
import { type Architecture, parseArchitecture } from '../model/architecture.ts';
import type { Recipe } from './recipe.ts';
import { draftRecipe, finishRecipe } from './resolve.ts';

/** Its texts have at most 10,000 characters each. */
const longestRecipe = 2 ** 16;

/**
 * Reads the recipe out of a file's metadata.
 * @param text its canonical JSON, undefined where the file has none
 * @throws LockstepError (DATA) when there is none or this version cannot use it
 */
export function parseStoredRecipe(text: string | undefined, path: string): Recipe {
  if (text === undefined) {
    throw dataError(
      `${shownPath(path)}: has no recipe in its metadata, expected a model written by Lockstep`,
    );
  }
  try {
    if (text.length > longestRecipe) throw new Error(`it has ${text.length} characters`);
    const draft = draftRecipe(JSON.parse(text), (key) => key.slice(0, 80));
    if (draft.dataset === null) throw new Error('it names no dataset');
    return finishRecipe(draft, draft.dataset);
  } catch (error) {
    throw dataError(
      `${shownPath(path)}: the recipe in its metadata cannot be used (${reasonOf(error)})`,
      error,
    );
  }
}

/** A recipe's model; @param where for messages. */
export function architectureOf(text: string, where: string): Architecture {
  return parseArchitecture(text, imageShape, classCount, where);
}
