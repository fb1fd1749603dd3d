/** What a run is, as the page is told. */
import { valueCount } from '../../shared/model/tensors.ts';
import { canonicalJson, recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import type { Run } from '../prepare.ts';
import type { RunFacts } from './feed.ts';

export function factsOf(
  { recipe, architecture, kernels, steps, samples }: Run,
  recipeName: string,
): RunFacts {
  return {
    version,
    recipeName,
    recipeId: recipeId(recipe),
    recipe: JSON.parse(canonicalJson(recipe)) as Record<string, unknown>,
    model: recipe.model,
    scale: recipe.scale,
    epochs: recipe.epochs,
    steps,
    batchSize: recipe.batchSize,
    samples: samples.length,
    parameters: architecture.tensors.reduce((sum, tensor) => sum + valueCount(tensor), 0),
    kernels: kernels.set,
  };
}
