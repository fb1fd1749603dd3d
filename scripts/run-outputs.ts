/** Where everything of a run goes: its folder, another log, another model file. Nothing is made before it begins. */
import { copyFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CheckpointWriting, storedSteps } from '../coordinator/checkpoints.ts';
import { makeFolders, writeDurably } from '../coordinator/durable-file.ts';
import type { LiveRun } from '../coordinator/live-run.ts';
import { RunLog, unwritableLog } from '../coordinator/log.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { EpochReport, KeepEvery, Keeping, Period, StepReport } from '../coordinator/reports.ts';
import { defaultRunFolder, makeNumberedRunFolder, makeRunFolder } from '../coordinator/run-folder.ts';
import { RunLock } from '../coordinator/run-lock.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { RunTrace, traceRate } from '../coordinator/run-trace.ts';
import { LockstepError } from '../shared/errors.ts';
import { recipeId } from '../shared/recipe/recipe.ts';
import type { StartFacts } from './environment.ts';
import type { KeepSettings } from './keep-settings.ts';
import { loadModel, type TrainedModel } from './model.ts';
import type { ResumedRun } from './resumed-run.ts';
import { RunKeeper, runFiles } from './run-keeper.ts';
import { EventFile } from './tensorboard/event-file.ts';

/** The folder of a run: one that is named, one that gets a name of its own, or the one that the run has already. */
export type FolderPlan =
  | { readonly kind: 'named'; readonly path: string; readonly label: string }
  | { readonly kind: 'numbered'; readonly recipeName: string; readonly label: string }
  | { readonly kind: 'resumed'; readonly resumed: ResumedRun };

export interface OutputsPlan {
  readonly folder: FolderPlan | null;
  readonly keep: KeepSettings;
  /** A file for the log beside that of the folder, and one for the model. */
  readonly log: string | null;
  readonly out: string | null;
  /** A folder for TensorBoard's event files. */
  readonly tensorboard?: string | null;
  /** A file for a trace. */
  readonly trace?: string | null;
  /** Told in one line of everything that cannot be written once the run has begun. */
  readonly alarm: (error: LockstepError) => void;
}

export class RunOutputs implements Keeping {
  /** The run folder, once it is made. */
  folder: string | null = null;
  /** Where the model was written. */
  readonly models: string[] = [];
  readonly #plan: OutputsPlan;
  #keeper: RunKeeper | null = null;
  #log: RunLog | null = null;
  #events: EventFile | null = null;
  #trace: RunTrace | null = null;
  #unwatch = (): void => {};
  #failures = 0;

  constructor(plan: OutputsPlan) {
    this.#plan = plan;
    if (plan.folder?.kind === 'resumed') this.folder = plan.folder.resumed.folder;
  }

  /** False where the run has no folder. */
  get isKept(): boolean {
    return this.#plan.folder !== null;
  }

  get every(): KeepEvery | null {
    return this.#plan.keep.every;
  }

  /** True if the folder has a checkpoint, which stands for the model of a run that is not finished. */
  get hasCheckpoint(): boolean {
    if (this.folder === null) return false;
    try {
      return storedSteps(join(this.folder, runFiles.checkpoints)).length > 0;
    } catch (error) {
      if (error instanceof LockstepError) return false;
      throw error;
    }
  }

  /** True if everything could be written; only after `close`. */
  get isComplete(): boolean {
    const isKept = this.#keeper?.isComplete ?? true;
    return (
      this.#failures === 0 && isKept && ![this.#log, this.#events, this.#trace].some((file) => file?.failed)
    );
  }

  /**
   * Makes ready for a run that begins, or goes on.
   * @throws LockstepError (USAGE, OUTPUT)
   */
  async open(live: LiveRun, start: StartFacts): Promise<void> {
    const { run } = live;
    const { folder, keep: settings, log, tensorboard = null, trace = null, alarm } = this.#plan;
    if (folder !== null) {
      const [path, lock] = await this.#takeFolder(folder, run);
      this.folder = path;
      try {
        const onCheckpoint = (writing: CheckpointWriting) => this.#trace?.checkpoint(writing);
        this.#keeper = await RunKeeper.open({
          folder: path,
          lock,
          run,
          settings,
          start,
          alarm,
          onCheckpoint,
        });
      } catch (error) {
        lock.release();
        throw error;
      }
    }
    if (log !== null) this.#log = this.#openLog(log, run);
    if (tensorboard !== null) this.#events = new EventFile({ folder: tensorboard, live, alarm });
    if (trace !== null) this.#openTrace(trace, run, live);
  }

  period(period: Period): void {
    this.#trace?.period(period);
  }

  steps(reports: readonly StepReport[]): void {
    this.#keeper?.steps(reports);
    this.#log?.steps(reports);
    this.#events?.steps(reports);
    this.#trace?.steps(reports);
  }

  epoch(report: EpochReport): void {
    this.#keeper?.epoch(report);
    this.#log?.epoch(report);
    this.#events?.epoch(report);
  }

  /** Of this process; the log has only what happens to workers. */
  threadDied(reason: string): void {
    this.#trace?.event('died', { reason });
  }

  event(event: string, facts: object): void {
    this.#keeper?.event(event, facts);
    this.#log?.event(event, facts);
    this.#trace?.event(event, facts);
  }

  keep(state: RunState): void {
    this.#keeper?.keep(state);
  }

  discard(steps: number): void {
    this.#keeper?.discard(steps);
  }

  /** Keeps what workers need to come in, so that they can come back to whoever goes on with the run. */
  keepToken(token: string): void {
    const { folder } = this;
    if (folder !== null)
      this.#attempt(() => writeDurably(join(folder, runFiles.token), [`${token}\n`], 0o600));
  }

  /**
   * Writes the model wherever it can be written: no training is lost because one of two places is full. The folder of a
   * run that is not finished has it in its newest checkpoint, beside which another file would grow old.
   */
  save(model: TrainedModel, isFinished: boolean): void {
    const { out } = this.#plan;
    if (out !== null) this.#saveAs(out, model);
    if (this.folder !== null && isFinished) this.#saveAs(join(this.folder, runFiles.model), model);
  }

  /** Gives what a finished run left wherever it is asked for; its folder is touched only where its model is not there. */
  saveAgain(model: TrainedModel): void {
    const { out, log } = this.#plan;
    const { folder } = this;
    if (out !== null) this.#saveAs(out, model);
    if (folder === null) return;
    const own = join(folder, runFiles.model);
    if (holdsModel(own, model)) this.models.push(own);
    else this.#saveAs(own, model);
    if (log !== null && isFileOrNothing(log)) this.#attempt(() => copyLog(folder, log));
  }

  /** Waits until all is written. */
  async close(): Promise<void> {
    this.#unwatch();
    this.#log?.close();
    this.#events?.close();
    await this.#keeper?.close();
    this.#trace?.close();
  }

  async #takeFolder(plan: FolderPlan, { recipe }: Run): Promise<[string, RunLock]> {
    if (plan.kind === 'resumed') {
      const { folder, lock } = plan.resumed;
      if (lock === null) throw new Error('the run is finished');
      return [folder, lock];
    }
    const { label } = plan;
    const folder =
      plan.kind === 'named'
        ? makeRunFolder(plan.path, label)
        : makeNumberedRunFolder(defaultRunFolder(plan.recipeName, recipeId(recipe), new Date()), label);
    return [folder, await RunLock.take(folder, label)];
  }

  /** A second log has all that the folder's has, also of a run that goes on. */
  #openLog(path: string, run: Run): RunLog {
    const { alarm } = this.#plan;
    if (run.committed === 0 || this.folder === null || !isFileOrNothing(path)) return new RunLog(path, alarm);
    copyLog(this.folder, path);
    return new RunLog(path, alarm, 'at its end');
  }

  #openTrace(path: string, run: Run, live: LiveRun): void {
    const name = `run of recipe ${recipeId(run.recipe).slice(0, 8)}`;
    const trace = new RunTrace(path, name, live.watchRate(traceRate), this.#plan.alarm);
    this.#trace = trace;
    this.#unwatch = live.watchSteps((timeline) => trace.step(timeline), traceRate);
  }

  #saveAs(path: string, model: TrainedModel): void {
    this.#attempt(() => {
      model.save(path);
      this.models.push(path);
    });
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.#failures += 1;
      this.#plan.alarm(error);
    }
  }
}

/** Whether a file holds just this model; one that is missing or damaged does not. */
function holdsModel(path: string, { weightsDigest }: TrainedModel): boolean {
  try {
    return loadModel(path).weightsDigest === weightsDigest;
  } catch (error) {
    if (error instanceof LockstepError) return false;
    throw error;
  }
}

/** What a pipe was given once, it is not given again. */
function isFileOrNothing(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
}

/** @throws LockstepError (OUTPUT) */
function copyLog(folder: string, path: string): void {
  try {
    makeFolders(dirname(path));
    copyFileSync(join(folder, runFiles.log), path);
  } catch (error) {
    throw unwritableLog(path, error, 'choose a place that can be written to');
  }
}
