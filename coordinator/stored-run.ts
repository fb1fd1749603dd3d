/** A run as its folder tells of it, finished or still going on: recipe, chain, checkpoints, losses. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shownPath } from '../shared/data/regular-file.ts';
import { LockstepError, usageError } from '../shared/errors.ts';
import { canonicalJson, type Recipe } from '../shared/recipe/recipe.ts';
import { StoredChain } from './chain-file.ts';
import { readCheckpoint, storedSteps } from './checkpoints.ts';
import { logLines } from './log-cut.ts';
import { readRunRecipe } from './run-recipe.ts';
import type { RunState } from './run-state.ts';

export class StoredRun {
  readonly folder: string;
  readonly recipe: Recipe;
  readonly #chain: StoredChain;
  /** Why a checkpoint was passed over. */
  readonly refusals: string[] = [];

  /**
   * Opens a folder; the caller closes it.
   * @param where what named it, for messages
   * @throws LockstepError (USAGE) when it is no run's folder, (DATA) when its recipe or chain is broken
   */
  constructor(folder: string, where: string) {
    this.folder = folder;
    for (const name of ['recipe.json', 'chain']) {
      if (existsSync(join(folder, name))) continue;
      const problem = existsSync(folder)
        ? `${shownPath(folder)} has no ${name}`
        : `there is no ${shownPath(folder)}`;
      throw usageError(`${where}: ${problem}, expected the folder of a run`);
    }
    this.recipe = readRunRecipe(folder, where);
    this.#chain = new StoredChain(join(folder, 'chain'));
  }

  /** Steps done when it was opened. */
  get steps(): number {
    return this.#chain.steps;
  }

  /** The chain's digest after a step, null where it was lost. @throws LockstepError (DATA) */
  digest(step: number): string | null {
    return this.#chain.digest(step);
  }

  /** The steps that there are checkpoints of, valid or not, ascending. */
  checkpointSteps(): number[] {
    return storedSteps(this.#checkpoints).reverse();
  }

  /** The state after a step; null where there is no checkpoint of it, or none that is whole and of this run. */
  stateAt(step: number): RunState | null {
    if (!storedSteps(this.#checkpoints).includes(step)) return null;
    try {
      const { recipe, state } = readCheckpoint(this.#checkpoints, step);
      if (canonicalJson(recipe) === canonicalJson(this.recipe) && state.chain === this.digest(step))
        return state;
      this.refusals.push(
        `A checkpoint was passed over: that of step ${step} in ${shownPath(this.folder)} is not of this run.`,
      );
    } catch (error) {
      // Pruned meanwhile by a run that goes on, or broken: there may be others.
      if (!(error instanceof LockstepError)) throw error;
      this.refusals.push(`A checkpoint was passed over: ${error.message}`);
    }
    return null;
  }

  /** The average loss of a step as the log tells it, null where it does not. */
  lossOf(step: number): number | null {
    const path = join(this.folder, 'log.jsonl');
    if (!existsSync(path)) return null;
    // Lines of events name steps, too.
    const start = new RegExp(`^\\{"epoch":\\d+,"step":${step},`);
    try {
      for (const line of logLines(path)) {
        if (!start.test(line)) continue;
        const { loss } = JSON.parse(line) as { loss: unknown };
        return typeof loss === 'number' ? loss : null;
      }
    } catch {
      // It says more of a difference that is found without it, too.
    }
    return null;
  }

  close(): void {
    this.#chain.close();
  }

  get #checkpoints(): string {
    return join(this.folder, 'checkpoints');
  }
}
