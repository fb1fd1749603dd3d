/**
 * The run from top to bottom: gather; for every epoch its order, its steps, its evaluation; then what came of it. In
 * between it is kept, so that it can go on from there.
 */
import { drawOrder } from '../shared/data/sampler.ts';
import { LockstepError } from '../shared/errors.ts';
import {
  resetRunningStats,
  type Snapshot,
  stateDigest,
  takeSnapshot,
  weightsDigest,
} from '../shared/model/snapshot.ts';
import { recipeId } from '../shared/recipe/recipe.ts';
import { divergedAtStep, divergedInTest } from './diverged.ts';
import { isExhausted, isFinished, judgeEpoch, newStopping, resultOf } from './early-stopping.ts';
import { readEvaluation } from './evaluation.ts';
import { Ledger } from './ledger.ts';
import { LiveView } from './live-view.ts';
import type { Run } from './prepare.ts';
import type { Hooks, Keeping, Outcome, Period, StoppedBy, TestResult } from './reports.ts';
import type { RunState } from './run-state.ts';
import type { Team } from './team.ts';

/** Steps are reported to `onSteps` this often while they are being computed. */
const reportMs = 250;

/**
 * Trains a run from where it stands to its end, or until it is stopped.
 * @throws LockstepError (DIVERGED) at the first step that meets NaN or infinity; after any other failure, what was done
 *   before it is kept
 */
export async function coordinate(
  run: Run,
  team: Team,
  hooks: Hooks,
  keeping: Keeping | null = null,
): Promise<Outcome> {
  const stop = () => team.stop();
  hooks.signal?.addEventListener('abort', stop, { once: true });
  if (hooks.signal?.aborted) stop();
  try {
    return await new Coordinator(run, team, hooks, keeping).train();
  } finally {
    hooks.signal?.removeEventListener('abort', stop);
  }
}

class Coordinator {
  readonly #run: Run;
  readonly #team: Team;
  readonly #hooks: Hooks;
  readonly #keeping: Keeping | null;
  readonly #ledger: Ledger;
  readonly #live: LiveView;
  #stopping: RunState['stopping'];
  #stoppedBy: StoppedBy | null = null;
  /** What the test set said of a replica, and the steps that were committed before it. */
  #tested: { readonly committed: number; readonly result: TestResult } | null = null;
  #trainSeconds = 0;
  /** The place in the run where it was last kept, and whether it is to be kept after the next step. */
  #kept: string;
  #isKeepDue = false;
  /** What a listener threw while the team was at work. */
  #failure: { readonly error: unknown } | null = null;

  constructor(run: Run, team: Team, hooks: Hooks, keeping: Keeping | null) {
    const { from, committed } = run;
    this.#run = run;
    this.#team = team;
    this.#hooks = hooks;
    this.#keeping = keeping;
    this.#ledger = new Ledger(run);
    this.#live = new LiveView(run, team, this.#ledger);
    this.#stopping = from === null ? newStopping(run.recipe) : from.stopping;
    // A model to start from is nowhere else; what this program draws can be drawn again.
    this.#kept = committed === 0 && run.recipe.init.startsWith('sha256:') ? '' : this.#place;
  }

  async train(): Promise<Outcome> {
    const { epochs } = this.#run.recipe;
    await this.#hooks.onStart?.(this.#run, this.#live);
    try {
      const fromMs = performance.now();
      await this.#team.gather();
      this.#tellPeriod('gathering', fromMs);
      this.#keep();
      this.#stopIfExhausted();
      while (this.#ledger.epochs.length < epochs && !this.#isStopped()) {
        this.#beginEpoch();
        const seconds = await this.#trainSteps();
        if (this.#step === this.#run.steps) await this.#endEpoch(seconds);
      }
      return await this.#finish();
    } catch (error) {
      this.#keepWhatIsDone(error);
      throw error;
    } finally {
      this.#live.isOver = true;
    }
  }

  #beginEpoch(): void {
    const { recipe, samples, plan, memory, architecture } = this.#run;
    const order = new Uint32Array(memory.buffer, plan.order, samples.length);
    drawOrder(order, samples, recipe.seed, this.#ledger.epoch);
    if (recipe.resetRunningStats === 'epoch' && this.#step === 0) {
      resetRunningStats(architecture, this.#flat());
      this.#ledger.resetCounters();
    }
    this.#live.epochStartMs = performance.now();
  }

  /** Trains the epoch's steps, those that are not done yet, and returns the seconds they took. */
  async #trainSteps(): Promise<number> {
    const { steps } = this.#run;
    const { onStep } = this.#hooks;
    const every = this.#keeping?.every ?? null;
    const telling = setInterval(() => this.#attempt(() => this.#tellSteps()), reportMs);
    const keeping =
      every?.kind === 'time' ? setInterval(() => this.#attempt(() => this.#keepSoon()), every.ms) : undefined;
    const fromMs = performance.now();
    let seconds = 0;
    try {
      while (this.#step < steps && !this.#isStopped()) {
        const step = this.#step;
        const startMs = performance.now();
        // Without a callback for each step the team runs through the epoch by itself, from stop to stop.
        const outcome = await this.#team.trainSteps(step, onStep === undefined ? this.#nextStop() : step + 1);
        seconds += (performance.now() - startMs) / 1000;
        if (this.#failure !== null) throw this.#failure.error;
        this.#tellSteps();
        if (outcome.kind === 'nonFinite') {
          const { steps, epoch } = this.#ledger;
          throw divergedAtStep(this.#run.recipe, steps + outcome.step + 1, epoch, outcome.where);
        }
        const isAtStop = every?.kind === 'steps' && this.#team.committed % every.steps === 0;
        if ((isAtStop || this.#isKeepDue) && this.#step < steps) this.#keep();
        // A team that was held up may come back without having done the step.
        const { last } = this.#ledger;
        if (onStep !== undefined && outcome.step > step && last !== null) {
          if ((await onStep(last)) === false) this.#stoppedBy = 'callback';
        }
      }
    } finally {
      clearInterval(telling);
      clearInterval(keeping);
      this.#tellPeriod('training', fromMs);
    }
    this.#trainSeconds += seconds;
    return seconds;
  }

  /** The step of the epoch before which the run is kept next, or the epoch's end. */
  #nextStop(): number {
    const { steps } = this.#run;
    const every = this.#keeping?.every ?? null;
    if (every?.kind !== 'steps') return steps;
    return Math.min(steps, this.#step + every.steps - (this.#team.committed % every.steps));
  }

  async #endEpoch(seconds: number): Promise<void> {
    const report = this.#ledger.endEpoch(await this.#evaluate(), seconds);
    this.#stopping = judgeEpoch(this.#run.recipe, this.#stopping, report, () => this.#snapshot());
    this.#stopIfExhausted();
    const verdict = this.#hooks.onEpoch?.(report);
    this.#keep();
    if ((await verdict) === false) this.#stoppedBy ??= 'callback';
  }

  async #finish(): Promise<Outcome> {
    const { recipe, architecture, steps } = this.#run;
    this.#keep();
    const state = this.#state();
    const unfinished = { snapshot: state.snapshot, test: null, bestEpoch: null };
    const { snapshot, test, bestEpoch } = isFinished(recipe, state) ? resultOf(state) : unfinished;
    const { committed } = this.#team;
    return {
      recipeId: recipeId(recipe),
      snapshot,
      weightsDigest: weightsDigest(snapshot),
      stateDigest: stateDigest(architecture, state.snapshot, state),
      chain: state.chain,
      epochs: this.#ledger.epochs,
      steps: committed,
      stepsComputed: committed - this.#run.committed,
      samples: this.#ledger.samples,
      trainSeconds: this.#trainSeconds,
      test: test ?? (await this.#evaluate()),
      bestEpoch,
      stoppedBy: committed === recipe.epochs * steps ? null : this.#stoppedBy,
      work: this.#team.account(),
      deaths: this.#team.deaths,
      joins: this.#team.joins,
      shardsRecomputed: this.#team.shardsRecomputed,
    };
  }

  /** All that the run needs to go on from here, as copies. Only between two steps, all of which are told. */
  #state(): RunState {
    const { memory, architecture } = this.#run;
    return {
      snapshot: this.#snapshot(),
      optimizer: new Float32Array(memory.buffer, this.#team.replica.state, architecture.flatSize).slice(),
      epoch: this.#ledger.epochs.length,
      step: this.#step,
      lossSum: this.#ledger.lossSum,
      epochs: this.#ledger.epochs.slice(),
      stopping: this.#stopping,
      chain: this.#ledger.chain,
    };
  }

  #snapshot(): Snapshot {
    return takeSnapshot(this.#run.architecture, this.#flat(), this.#ledger.counters);
  }

  /** Keeps the run as it is now, unless it is kept already. Only between two steps, all of which are told. */
  #keep(): void {
    this.#isKeepDue = false;
    if (this.#keeping === null || this.#place === this.#kept) return;
    this.#kept = this.#place;
    this.#keeping.keep(this.#state());
  }

  /** Keeps the run at the next moment between two steps, which may be now. */
  #keepSoon(): void {
    if (this.#place === this.#kept) return;
    if (this.#team.pause()) {
      this.#tellSteps();
      this.#keep();
    } else {
      this.#isKeepDue = true;
    }
  }

  /** The run failed, but what was done before that stands. (What diverges would diverge again.) */
  #keepWhatIsDone(error: unknown): void {
    if (error instanceof LockstepError && error.code === 'DIVERGED') return;
    if (error instanceof LockstepError && error.code === 'DOUBT') {
      this.#keeping?.discard?.(this.#team.committed);
      return;
    }
    this.#attempt(() => this.#tellSteps());
    this.#attempt(() => this.#keep());
  }

  /** Does something while the team is at work; what it throws ends the run as it would from anywhere else. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failure ??= { error };
      this.#team.stop();
    }
  }

  /** Evaluates the current replica on the test set, once. */
  async #evaluate(): Promise<TestResult> {
    const { committed } = this.#team;
    if (this.#tested?.committed === committed) return this.#tested.result;
    const fromMs = performance.now();
    this.#live.isEvaluating = true;
    await this.#team.evaluate('test');
    this.#live.isEvaluating = false;
    this.#tellPeriod('evaluation', fromMs);
    const { plan, memory, architecture } = this.#run;
    const evaluation = readEvaluation(plan, memory, 'test', architecture.classes);
    if (evaluation.badShard !== null) {
      throw divergedInTest(this.#run.recipe, committed, evaluation.badShard);
    }
    this.#hooks.onEvaluation?.(evaluation, committed);
    const { loss, accuracy } = evaluation;
    this.#tested = { committed, result: { loss, accuracy } };
    return this.#tested.result;
  }

  #stopIfExhausted(): void {
    if (isExhausted(this.#run.recipe, this.#stopping)) this.#stoppedBy = 'earlyStopping';
  }

  #isStopped(): boolean {
    if (this.#hooks.signal?.aborted) this.#stoppedBy ??= 'signal';
    return this.#stoppedBy !== null;
  }

  /** Notes the steps that were committed since the last time, in order, and tells of them. */
  #tellSteps(): void {
    const reports = this.#ledger.note(this.#step, this.#team.results());
    if (reports.length > 0) this.#hooks.onSteps?.(reports);
  }

  #tellPeriod(kind: Period['kind'], fromMs: number): void {
    const epoch = Math.min(this.#ledger.epoch, this.#run.recipe.epochs);
    this.#hooks.onPeriod?.({ kind, epoch, fromMs, toMs: performance.now() });
  }

  /** Steps done of the epoch after those that are over. */
  get #step(): number {
    return this.#team.committed - this.#ledger.steps;
  }

  /** The end of an epoch is another place than its last step: the test set has been asked. */
  get #place(): string {
    return `${this.#ledger.epochs.length} + ${this.#step}`;
  }

  #flat(): Float32Array {
    const { memory, architecture } = this.#run;
    return new Float32Array(memory.buffer, this.#team.replica.flat, architecture.flatSize);
  }
}
