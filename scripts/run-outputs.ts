/** Where everything of a run goes: its folder, another log, another model file. Nothing is made before it begins. */
import { copyFileSync, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolders, writeDurably } from '../coordinator/durable-file.ts';
import { RunLog, unwritableLog } from '../coordinator/log.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { EpochReport, KeepEvery, Keeping, StepReport } from '../coordinator/reports.ts';
import { defaultRunFolder, makeNumberedRunFolder, makeRunFolder } from '../coordinator/run-folder.ts';
import { RunLock } from '../coordinator/run-lock.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { LockstepError } from '../shared/errors.ts';
import { recipeId } from '../shared/recipe/recipe.ts';
import type { StartFacts } from './environment.ts';
import type { KeepSettings } from './keep-settings.ts';
import type { TrainedModel } from './model.ts';
import type { ResumedRun } from './resumed-run.ts';
import { RunKeeper, runFiles } from './run-keeper.ts';

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

  /** True if everything could be written; only after `close`. */
  get isComplete(): boolean {
    return this.#failures === 0 && (this.#keeper?.isComplete ?? true) && this.#log?.failed !== true;
  }

  /**
   * Makes ready for a run that begins, or goes on.
   * @throws LockstepError (USAGE, OUTPUT)
   */
  async open(run: Run, start: StartFacts): Promise<void> {
    const { folder, keep: settings, log, alarm } = this.#plan;
    if (folder !== null) {
      const [path, lock] = await this.#takeFolder(folder, run);
      this.folder = path;
      try {
        this.#keeper = await RunKeeper.open({ folder: path, lock, run, settings, start, alarm });
      } catch (error) {
        lock.release();
        throw error;
      }
    }
    if (log !== null) this.#log = this.#openLog(log, run);
  }

  steps(reports: readonly StepReport[]): void {
    this.#keeper?.steps(reports);
    this.#log?.steps(reports);
  }

  epoch(report: EpochReport): void {
    this.#keeper?.epoch(report);
    this.#log?.epoch(report);
  }

  event(event: string, facts: object): void {
    this.#keeper?.event(event, facts);
    this.#log?.event(event, facts);
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
   * Writes the model wherever it can be written, and where the run is finished and has it, nowhere: no training is lost because one
   * of two places is full.
   */
  save(model: TrainedModel): void {
    const { out, folder } = this.#plan;
    const own = this.folder === null ? null : join(this.folder, runFiles.model);
    for (const path of [out, own]) {
      if (path === null) continue;
      if (path === own && folder?.kind === 'resumed' && folder.resumed.lock === null && existsSync(own)) {
        this.models.push(own);
        continue;
      }
      this.#attempt(() => {
        model.save(path);
        this.models.push(path);
      });
    }
  }

  /** Waits until all is written. */
  async close(): Promise<void> {
    this.#log?.close();
    await this.#keeper?.close();
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
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
    if (run.committed === 0 || this.folder === null || !isFile) return new RunLog(path, alarm);
    try {
      makeFolders(dirname(path));
      copyFileSync(join(this.folder, runFiles.log), path);
    } catch (error) {
      throw unwritableLog(path, error, 'choose a place that can be written to');
    }
    return new RunLog(path, alarm, 'at its end');
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
