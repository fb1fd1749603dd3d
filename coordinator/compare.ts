/**
 * Two runs side by side: what in their recipes differs; the first step after which their chains do; what this machine
 * makes of that step, which says who is at fault; and where the states after it differ, as far as they are known.
 */
import { type Recipe, recipeId } from '../shared/recipe/recipe.ts';
import { firstDifferentStep } from './chain.ts';
import { Investigation, type Rerun, type RunDifference } from './investigation.ts';
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
 * @throws LockstepError (DATA) when a chain is broken
 */
export async function compareRuns(runs: Pair<StoredRun>, rerun: Rerun | null): Promise<Comparison> {
  const [a, b] = runs;
  const fields = differingFields(a.recipe, b.recipe);
  const step = firstDifferentStep(Math.min(a.steps, b.steps), (at) => a.digest(at) !== b.digest(at));
  return {
    same: fields.length === 0 && step === null,
    recipeIds: [recipeId(a.recipe), recipeId(b.recipe)],
    fields,
    steps: [a.steps, b.steps],
    difference: step === null ? null : await explain(step),
  };

  /** Runs of different recipes have to differ. */
  async function explain(at: number): Promise<RunDifference> {
    if (fields.length === 0) return new Investigation(runs, at, rerun).report();
    const digests = [a.digest(at), b.digest(at)] as const;
    return { step: at, digests, fault: 'unknown', rerun: null, losses: null, states: null, missing: [] };
  }
}

function differingFields(a: Recipe, b: Recipe): Comparison['fields'] {
  const all: Pair<Record<string, unknown>> = [{ ...a }, { ...b }];
  return [...new Set(all.flatMap(Object.keys))]
    .filter((field) => all[0][field] !== all[1][field])
    .map((field) => ({ field, values: [all[0][field], all[1][field]] }));
}
