/**
 * The digests that every machine must reproduce, with any number of threads and any kernels. `npm run digests`
 * computes them anew and compares; so do the tests, and CI on every platform.
 */
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { BuiltInRecipe } from './built-in.ts';

export interface PublishedDigest {
  readonly recipe: BuiltInRecipe;
  /** What replaces the recipe's own fields. */
  readonly fields: RecipeFields;
  readonly recipeId: string;
  readonly weightsDigest: string;
  readonly testAccuracy: number;
}

export const publishedDigests: readonly PublishedDigest[] = [
  {
    recipe: 'mnist',
    fields: {},
    recipeId: '1a74ee33350b5fa7abd2283dee270f713ae691a3c363950ebd42309888fe4fd5',
    weightsDigest: '0cd6a9b9a25e7c25754e42d61b35701520db52fac8c3f967636f7b485b94607c',
    testAccuracy: 0.9821,
  },
  {
    recipe: 'note',
    fields: {},
    recipeId: '1f30537f5648e904751d88005cb4f6d89644960fb0000547dfa028a39d752eda',
    weightsDigest: 'a5fcb6ee43e2a3f4b626ab7e4cf274e5bf1ddd00d781f87d7de47e0b79b34eb4',
    testAccuracy: 0.9273,
  },
  {
    recipe: 'note',
    fields: { init: 'he' },
    recipeId: '3820da033c6f7124ec8f67f5c6f12e6762fda68c8c2e7cfd0301c2a735ccfc69',
    weightsDigest: '9d4494e3c53193f5adddc745f18ede2fc9705e2b35e65210af869a4c0d7b427f',
    testAccuracy: 0.9407,
  },
  {
    recipe: 'mnist',
    fields: { epochs: 1 },
    recipeId: '543f426a656d6656e87e378d030c251d3aa8275fd8f29f1d0d0d2569719f8a34',
    weightsDigest: '6c4d12296a61e32019b5f879d0684f1285f2203ef71838378a4b2abe3523784d',
    testAccuracy: 0.9706,
  },
  {
    recipe: 'mnist',
    fields: { epochs: 1, batchNorm: 'ghost' },
    recipeId: 'd12846d649e1bfbe522a79bad66d79467d8cd04ef1be7ada13a0c033a22bb115',
    weightsDigest: '12654146af42370cba3294001c34e999cb4960f8d61289486f94857b566f31b4',
    testAccuracy: 0.97,
  },
  {
    recipe: 'note',
    fields: { epochs: 2 },
    recipeId: 'e5036e396302043e23caa13b224ab84a95751d830bf486d47b705180e23d2e8f',
    weightsDigest: 'af9875cb907bfc6cc963e7e6c25a1c0424aaa5ab9bd0b524bbfb51a5f3f12f70',
    testAccuracy: 0.9029,
  },
  {
    recipe: 'note',
    fields: { epochs: 2, batchNorm: 'ghost' },
    recipeId: 'ad6321c7a98af6cb17089a1f96c4ec2bb9048f478277e2c958345bad0124f02f',
    weightsDigest: '4cf12bbe3f6e85b440b9e92add14116da72a1d85800990b089be889ff43fad12',
    testAccuracy: 0.9026,
  },
  {
    recipe: 'mnist',
    fields: { trainSamples: 1000, epochs: 1 },
    recipeId: 'fcca21ce31f838fdea84e314b9744958c2ceff5a4f58b9c7a90dd8155e97dc11',
    weightsDigest: 'cf1cf023ecbb7b964c19a2eb3f595c46cfd47444dfe1090b767df6a1faa73d6d',
    testAccuracy: 0.8052,
  },
  {
    recipe: 'note',
    fields: { trainSamples: 1001, epochs: 2, batchNorm: 'ghost', shardSize: 24 },
    recipeId: '1a13e8d5096e59dd7c8d1d79b07d95f907e1dc052cdb80d90476242138ed3dc3',
    weightsDigest: '40b1fdfb9222e1a7bb6771844b1047ec3046f03c35ed95623e3bed931fb64823',
    testAccuracy: 0.7073,
  },
  {
    recipe: 'mnist',
    fields: { trainSamples: 2000, epochs: 1 },
    recipeId: '0eb8abe4c3c8987965f1f473df20a2783b35425d2dfc4efbcc2a176a36b20389',
    weightsDigest: '35120160bfe9b67f3484c28415945852dc884a1b9e68a8897f5d94115f980561',
    testAccuracy: 0.879,
  },
  {
    recipe: 'note',
    fields: { trainSamples: 2000, epochs: 1 },
    recipeId: 'c740f6192016cbb759573d0b16179aa3a46ea70cba4884965aa7362e59e8874d',
    weightsDigest: '820cafd4d926fabf4b91a989126ebcbe96f51942c2c8ea327fdb23fa16ce9ca0',
    testAccuracy: 0.7151,
  },
];

/** The published weights digest of a recipe, or null if there is none. */
export function digestOf(recipeId: string): string | null {
  return publishedDigests.find((published) => published.recipeId === recipeId)?.weightsDigest ?? null;
}

/** The name of the recipe whose digest is published, with what replaces its fields, or null if there is none. */
export function publishedName(recipeId: string): string | null {
  const published = publishedDigests.find((published) => published.recipeId === recipeId);
  return published === undefined ? null : nameOf(published);
}

/** `mnist epochs=1 batchNorm=ghost`. */
export function nameOf({ recipe, fields }: Pick<PublishedDigest, 'recipe' | 'fields'>): string {
  return [recipe, ...Object.entries(fields).map(([key, value]) => `${key}=${value}`)].join(' ');
}
