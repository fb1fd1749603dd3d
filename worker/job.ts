/** What a worker computes for: the recipe of a run and the sizes of its data, as the coordinator's welcome says them. */
import type { SplitName } from '../shared/data/dataset.ts';
import { quoted, reasonOf } from '../shared/errors.ts';
import { canonicalJson, type Recipe } from '../shared/recipe/recipe.ts';
import { checkSamples, draftRecipe, finishRecipe } from '../shared/recipe/resolve.ts';
import type { Welcome } from '../shared/wire/messages.ts';
import { breach } from './breach.ts';

export interface Job {
  readonly recipe: Recipe;
  readonly samples: Readonly<Record<SplitName, number>>;
}

/**
 * Reads a welcome from the coordinator at an address.
 * @throws LockstepError (REFUSED) when its recipe is none, leaves something open, or does not go with the samples
 */
export function readJob({ recipe: json, samples }: Welcome, address: string): Job {
  const unlike = (expected: string, error?: unknown) =>
    breach(address, `its recipe: got ${quoted(json)}, expected ${expected}`, error);
  let fields: unknown;
  try {
    fields = JSON.parse(json);
  } catch (error) {
    throw unlike('JSON', error);
  }
  let recipe: Recipe;
  try {
    recipe = recipeOf(fields, samples.train);
  } catch (error) {
    throw breach(address, `its recipe: ${reasonOf(error)}`, error);
  }
  if (canonicalJson(recipe) !== json) throw unlike('canonical JSON with every field');
  return { recipe, samples };
}

/** @throws LockstepError (USAGE) */
function recipeOf(fields: unknown, available: number): Recipe {
  const label = (key: string): string => key || 'all of it';
  const draft = draftRecipe(fields, label);
  const dataset = draft.dataset ?? '';
  return finishRecipe(checkSamples({ ...draft, data: dataset }, available, label), dataset);
}
