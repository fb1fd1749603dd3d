/**
 * The digests that every machine must reproduce, for any number of threads and any kernels. A recipe is found
 * by its id; `npm run digests` computes them anew and compares.
 */
export interface PublishedDigest {
  /** Arguments of `lockstep train`. */
  readonly command: string;
  readonly recipeId: string;
  readonly weightsDigest: string;
}

export const publishedDigests: readonly PublishedDigest[] = [];

/** The published weights digest of a recipe, or null if there is none. */
export function digestOf(recipeId: string): string | null {
  return publishedDigests.find((published) => published.recipeId === recipeId)?.weightsDigest ?? null;
}
