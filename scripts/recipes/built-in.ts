import { quoted, suggestion, usageError } from '../../shared/errors.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';

/** The recipes that have a name. Their digests are in digests.ts. */
export const builtInRecipes = {
  /** What `npm start` trains: 98 % and more on the 10,000 test images. */
  mnist: {
    data: 'mnist',
    scale: 'standard',
    model: 'dense(256) batchnorm relu dense(128) batchnorm relu dense(10)',
    init: 'glorot',
    optimizer: 'sgd(lr=0.05,momentum=0.9)',
    batchSize: 128,
    epochs: 10,
    seed: 0,
  },
  /** The settings of the study note on batch normalisation that Lockstep started from. */
  note: {
    data: 'mnist',
    trainSamples: 20_000,
    scale: 'signed',
    model: 'dense(200) sigmoid batchnorm(momentum=0.9,epsilon=1e-6,scale=uniform) dense(10) affine',
    init: 'std_normal',
    optimizer: 'sgd(lr=0.01)',
    batchSize: 64,
    epochs: 20,
    seed: 2,
  },
} as const satisfies Record<string, RecipeFields>;

export type BuiltInRecipe = keyof typeof builtInRecipes;

/**
 * The fields of a built-in recipe; none where no name is given.
 * @throws LockstepError (USAGE) for an unknown name
 */
export function builtInFields(name: string | undefined): RecipeFields {
  if (name === undefined) return {};
  if (!Object.hasOwn(builtInRecipes, name)) {
    const known = Object.keys(builtInRecipes);
    throw usageError(
      `recipe: got ${quoted(name)}${suggestion(name, known) || `, expected ${known.join(', ')} or a JSON file`}`,
    );
  }
  return builtInRecipes[name as BuiltInRecipe];
}
