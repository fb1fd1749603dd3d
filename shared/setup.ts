/** What a recipe asks of a process that computes it. */
import { classCount, imageShape, type SplitName } from './data/dataset.ts';
import type { Sizes } from './model/memory-plan.ts';
import { epochShape, type Recipe } from './recipe/recipe.ts';
import type { Setup } from './training.ts';

/** The setup of a recipe with data of so many samples. */
export function setupOf(
  recipe: Omit<Recipe, 'dataset'>,
  samples: Readonly<Record<SplitName, number>>,
  process: Pick<Sizes, 'threads' | 'isRemote'>,
): Setup {
  const { model, optimizer, batchNorm, batchSize, shardSize } = recipe;
  const { samples: epochSamples } = epochShape(recipe, samples.train);
  return {
    input: imageShape,
    classes: classCount,
    model,
    optimizer,
    batchNorm,
    sizes: { samples, epochSamples, batchSize, shardSize, ...process },
  };
}
