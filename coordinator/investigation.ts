/** What happened at the step at which two runs of one recipe part. */
import { shownPath } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import { architectureOf } from '../shared/recipe/stored.ts';
import type { RunState } from './run-state.ts';
import { differingTensors, type Pair, placeInStep, type TensorDifference } from './state-difference.ts';
import type { StoredRun } from './stored-run.ts';

/** What computes steps again: from a state on, or from the beginning (null), to the end of a step. */
export type Rerun = (recipe: Recipe, from: RunState | null, to: number) => Promise<Rerunning>;

export interface Rerunning {
  /** The state after the last step. */
  readonly state: RunState;
  /** The digest before the first step and the one after each, the last being that of the state. */
  readonly digests: readonly string[];
}

/** Which of the two runs a step is at fault in, by what this machine computes; unknown where it did not. */
export type Fault = 'first' | 'second' | 'both' | 'unknown';

export interface RunDifference {
  /** The first step after which the runs differ; 0: they begin with different models. */
  readonly step: number;
  readonly digests: Pair<string>;
  readonly fault: Fault;
  /** The steps that were computed again here, from the state after `from` on; null if none were. */
  readonly rerun: { readonly from: number; readonly to: number; readonly digest: string } | null;
  /** The step's loss in both logs, null where one of them does not tell it. */
  readonly losses: Pair<number> | null;
  readonly states: StateDifference | null;
  /** What kept more from being found out, in words. */
  readonly missing: readonly string[];
}

/** How the states differ, after the first step at or behind the difference of which both are known. */
export interface StateDifference {
  readonly step: number;
  /** Where in the step the difference arose, if the states are those after it: an exchange, `loss` or `update`. */
  readonly place: string | null;
  readonly tensors: readonly TensorDifference[];
}

/** A state and the step that it is after. */
interface Moment {
  readonly step: number;
  readonly state: RunState;
}

/** Where two chains part. */
export interface Parting {
  /** The first step after which they are known to differ. */
  readonly step: number;
  /** The last step after which they are known to be the same, the one before where no digest was lost; -1 if none is. */
  readonly same: number;
  /** After the step. */
  readonly digests: Pair<string>;
}

export class Investigation {
  readonly #runs: Pair<StoredRun>;
  readonly #step: number;
  readonly #parting: Parting;
  readonly #rerun: Rerun | null;
  readonly #missing: string[] = [];

  constructor(runs: Pair<StoredRun>, parting: Parting, rerun: Rerun | null) {
    this.#runs = runs;
    this.#step = parting.step;
    this.#parting = parting;
    this.#rerun = rerun;
  }

  async report(): Promise<RunDifference> {
    const [a, b] = this.#runs;
    const { step, digests } = this.#parting;
    const here = await this.#computeAgain();
    const isRight = digests.map((digest) => digest === here?.state.chain);
    const losses = pairOf(a.lossOf(step), b.lossOf(step));
    const states = await this.#compareStates(here, isRight, losses);
    return {
      step,
      digests,
      fault: here === null ? 'unknown' : isRight[0] ? 'second' : isRight[1] ? 'first' : 'both',
      rerun: here && { from: here.from, to: step, digest: here.state.chain },
      losses,
      states,
      missing: [...this.#missing, ...a.refusals, ...b.refusals],
    };
  }

  /** This machine's state after the step, from the newest one before it that one of the runs kept. */
  async #computeAgain(): Promise<(Moment & { readonly from: number }) | null> {
    const start = this.#rerun === null ? null : this.#lastCommonState();
    const from = start?.step ?? 0;
    const again = await this.#attempt(start?.state ?? null, this.#step);
    if (again === null) return null;
    // As far as both runs have the same digests.
    const before = again.digests.slice(0, this.#parting.same + 1 - from);
    const other = before.findIndex((digest, i) => {
      const theirs = this.#runs[0].digest(from + i) ?? this.#runs[1].digest(from + i);
      return theirs !== null && theirs !== digest;
    });
    if (other < 0) return { ...again, step: this.#step, from };
    const what =
      from + other === 0 ? 'begins with another model than' : `computes step ${from + other} otherwise than`;
    this.#missing.push(
      `This machine ${what} both runs, so it cannot say which of them is at fault. Check it with lockstep verify.`,
    );
    return null;
  }

  #lastCommonState(): Moment | null {
    const before = this.#keptSteps().filter((step) => step <= this.#parting.same);
    for (const step of before.reverse()) {
      for (const run of this.#runs) {
        const state = run.stateAt(step);
        if (state !== null) return { step, state };
      }
    }
    return null;
  }

  /**
   * Looks for the first step from the difference on after which both states are known: a run kept it, or this machine,
   * which agrees with the run, computes it.
   */
  async #compareStates(
    here: Moment | null,
    isRight: readonly boolean[],
    losses: Pair<number> | null,
  ): Promise<StateDifference | null> {
    const later = this.#keptSteps().filter((step) => step > this.#step);
    for (const step of [this.#step, ...later]) {
      const isKnown = this.#runs.map((run, i) => isRight[i] || run.checkpointSteps().includes(step));
      if (!isKnown.every(Boolean)) continue;
      const a = await this.#stateOf(0, step, isRight[0] ? here : null);
      const b = a && (await this.#stateOf(1, step, isRight[1] ? here : null));
      if (a && b) return this.#difference(step, [a, b], losses);
    }
    const unknown = this.#runs.filter((_, i) => !isRight[i]).map(({ folder }) => shownPath(folder));
    this.#missing.push(
      `Which values differ is not known: ${unknown.join(' and ')} kept no state from step ${this.#step} on that could ` +
        'be compared. Train again with --checkpoint-every 1.',
    );
    return null;
  }

  /** The state of a run after a step: the one that it kept, or what this machine makes of it. */
  async #stateOf(index: 0 | 1, step: number, here: Moment | null): Promise<RunState | null> {
    const run = this.#runs[index];
    const kept = run.stateAt(step);
    if (kept !== null || here === null) return kept;
    if (here.step === step) return here.state;
    const again = await this.#attempt(here.state, step);
    // A run that has not come so far would have this state.
    const isOther = step <= run.steps && again?.state.chain !== run.digest(step);
    return isOther || again === null ? null : again.state;
  }

  #difference(step: number, states: Pair<RunState>, losses: Pair<number> | null): StateDifference {
    const { recipe } = this.#runs[0];
    const architecture = architectureOf(recipe.model, 'model');
    const differences = differingTensors(architecture, states);
    const isThen = step === this.#step && step > 0 && this.#parting.same === step - 1;
    const place = isThen ? placeInStep({ architecture, recipe, differences, losses }) : null;
    return { step, place, tensors: differences };
  }

  /** Of either run, ascending. */
  #keptSteps(): number[] {
    return [...new Set(this.#runs.flatMap((run) => run.checkpointSteps()))].sort((a, b) => a - b);
  }

  async #attempt(from: RunState | null, to: number): Promise<Rerunning | null> {
    if (this.#rerun === null) return null;
    try {
      return await this.#rerun(this.#runs[0].recipe, from, to);
    } catch (error) {
      if (!(error instanceof LockstepError) || error.code === 'INTERRUPTED') throw error;
      this.#missing.push(`Steps could not be computed again: ${error.message}`);
      return null;
    }
  }
}

/** Both, or null where one of them is not known. */
export function pairOf<T>(a: T | null, b: T | null): Pair<T> | null {
  return a === null || b === null ? null : [a, b];
}
