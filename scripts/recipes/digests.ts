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
    recipeId: 'b2e4266167359f9692b8ccab1898c92eb0e1a4591b6e11f0ac2a2ff38bfa3a56',
    weightsDigest: 'a13d3b5ec755f6365027338e6fa3ff4098ab8f964b086253667e599f687f81c9',
    testAccuracy: 0.9273,
  },
  {
    recipe: 'note',
    fields: { init: 'he' },
    recipeId: '8dcc47892fb754e2467f36d7a9cec58eaf0ae884d18e4b1b2f291be32b05170c',
    weightsDigest: '399dcb7ca8a2ac42d482446888504c959b13b9b515ddb63fcfbda890abb476e3',
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
    recipeId: '36888606df8ee4795fe3f98fefc10ae99874488b2c576564ddad87df4aaf2d98',
    weightsDigest: 'ca7269c61cc2c35e658c58e04b4000dbf00d7e9bb7bc0fff9c261e5e4e66d1cf',
    testAccuracy: 0.9029,
  },
  {
    recipe: 'note',
    fields: { epochs: 2, batchNorm: 'ghost' },
    recipeId: 'c14aa824e7bf3fc1d0a332f46160ae8dd4802e121202a25033b7748256b8cfb8',
    weightsDigest: 'dfb39dcfa211a9716b6d073261b804e7609a065dfe6b7ba9feb724c3818ed401',
    testAccuracy: 0.9013,
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
];

/** The published weights digest of a recipe, or null if there is none. */
export function digestOf(recipeId: string): string | null {
  return publishedDigests.find((published) => published.recipeId === recipeId)?.weightsDigest ?? null;
}

/** `mnist epochs=1 batchNorm=ghost`. */
export function nameOf({ recipe, fields }: Pick<PublishedDigest, 'recipe' | 'fields'>): string {
  return [recipe, ...Object.entries(fields).map(([key, value]) => `${key}=${value}`)].join(' ');
}
