/** What a recipe asks of a process that computes it. */
import { classCount, imageShape, type SplitName } from './data/dataset.ts';
import { evaluationShard, lossSlotBytes, type Sizes } from './model/memory-plan.ts';
import { epochShape, type Recipe } from './recipe/recipe.ts';
import { planSetup, type Setup } from './training.ts';
import { chunkBytes } from './wire/limits.ts';

/** The setup of a recipe with data of so many samples. */
export function setupOf(
  recipe: Omit<Recipe, 'dataset'>,
  samples: Readonly<Record<SplitName, number>>,
  process: Pick<Sizes, 'threads' | 'isRemote' | 'ranks'>,
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

/** Bytes of the largest payload of a frame that a setup implies: a gradient, a chunk, or a whole evaluation. */
export function largestPayloadBytes(setup: Setup): number {
  const { architecture } = planSetup(setup);
  const { test } = setup.sizes.samples;
  const gradient = 4 * architecture.flatSize + lossSlotBytes;
  return Math.max(gradient, chunkBytes, test + 4 * Math.ceil(test / evaluationShard));
}
