/** What to say when a number of the training path is NaN or infinite. */
import { LockstepError } from '../shared/errors.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';

/** @param step of the run, from 1 */
export function divergedAtStep(
  { optimizer }: Recipe,
  step: number,
  epoch: number,
  where: string,
): LockstepError {
  return diverged(
    `training diverged at step ${step} (epoch ${epoch}): NaN or infinity in ${where}`,
    optimizer,
  );
}

export function divergedInTest({ optimizer }: Recipe, step: number, shard: number): LockstepError {
  return diverged(
    `training diverged: NaN or infinity in the test loss of shard ${shard} after step ${step}`,
    optimizer,
  );
}

function diverged(what: string, optimizer: string): LockstepError {
  return new LockstepError(
    'DIVERGED',
    `${what}; lower the learning rate (optimizer ${optimizer}) or look at scale and init`,
  );
}
