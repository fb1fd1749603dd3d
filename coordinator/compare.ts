/**
 * Two runs side by side: what in their recipes differs; the first step after which their chains do; what this machine
 * makes of that step, which says who is at fault; and where the states after it differ, as far as they are known.
 */
import { shownPath } from '../shared/data/regular-file.ts';
import { dataError } from '../shared/errors.ts';
import { differingFields, recipeId } from '../shared/recipe/recipe.ts';
import { firstDifferentStep } from './chain.ts';
import { Investigation, pairOf, type Rerun, type RunDifference } from './investigation.ts';
import type { Pair } from './state-difference.ts';
import type { StoredRun } from './stored-run.ts';

export interface Comparison {
  readonly same: boolean;
  readonly recipeIds: Pair<string>;
  /** Fields of the recipes that differ; undefined where one of them has no such field. */
  readonly fields: readonly { readonly field: string; readonly values: Pair<unknown> }[];
  /** Steps done. */
  readonly steps: Pair<number>;
  /** Null if the runs are the same as far as both go. */
  readonly difference: RunDifference | null;
}

/**
 * Compares two runs, which may still be going on.
 * @param rerun null: nothing is computed again
 * @throws LockstepError (DATA) when a chain cannot be read, or lacks the digest that would say that both are the same
 */
export async function compareRuns(runs: Pair<StoredRun>, rerun: Rerun | null): Promise<Comparison> {
  const [a, b] = runs;
  const fields = differingFields(a.recipe, b.recipe).map((field) => ({
    field,
    values: [a.recipe[field], b.recipe[field]] as const,
  }));
  const last = Math.min(a.steps, b.steps);
  const digestsAt = (at: number) => pairOf(a.digest(at), b.digest(at));
  const step = firstDifferentStep(last, (at) => {
    const digests = digestsAt(at);
    return digests && digests[0] !== digests[1];
  });
  const digests = step === null ? null : digestsAt(step);
  const lacking = runs.find((run) => run.digest(last) === null);
  if (step === null && lacking !== undefined) {
    throw dataError(
      `${shownPath(lacking.folder)}: its chain lacks the digest of step ${last}, the last that both runs have done, so ` +
        'it is not known whether they are the same; go on with the run, then compare again',
    );
  }
  return {
    same: fields.length === 0 && step === null,
    recipeIds: [recipeId(a.recipe), recipeId(b.recipe)],
    fields,
    steps: [a.steps, b.steps],
    difference: step === null || digests === null ? null : await explain(step, digests),
  };

  /** Runs of different recipes have to differ. */
  async function explain(at: number, digests: Pair<string>): Promise<RunDifference> {
    let same = at - 1;
    while (same >= 0 && digestsAt(same) === null) same--;
    const found =
      fields.length === 0
        ? await new Investigation(runs, { step: at, same, digests }, rerun).report()
        : ({
            step: at,
            digests,
            fault: 'unknown',
            rerun: null,
            losses: null,
            states: null,
            missing: [],
          } as const);
    const lost = `The chains lack digests of the steps before: they may have parted at any step from ${same + 1} to ${at}.`;
    return same === at - 1 ? found : { ...found, missing: [lost, ...found.missing] };
  }
}
