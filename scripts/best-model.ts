/** The model of a run's best epoch in its folder: judged by what was reported, written beside training, taken back if it was wrong. */
import { existsSync } from 'node:fs';
import * as files from 'node:fs/promises';
import { isBetterEpoch } from '../coordinator/early-stopping.ts';
import { remove, writeBeside } from '../coordinator/file-operations.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { EpochReport } from '../coordinator/reports.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import type { KeepSettings } from './keep-settings.ts';
import { TrainedModel } from './model.ts';

export interface BestModelOptions {
  readonly path: string;
  readonly run: Pick<Run, 'recipe' | 'from'>;
  readonly monitor: KeepSettings['monitor'];
  /** Told in one line of everything that goes wrong; training goes on. */
  readonly alarm: (error: LockstepError) => void;
}

export class BestModel {
  readonly #path: string;
  readonly #run: BestModelOptions['run'];
  readonly #monitor: KeepSettings['monitor'];
  readonly #alarm: (error: LockstepError) => void;
  /** The best epoch so far. */
  #best: EpochReport | null = null;
  /** What is to be written, and the steps of what was. */
  #waiting: { readonly model: TrainedModel; readonly steps: number } | null = null;
  #writtenSteps: number | null = null;

  constructor({ path, run, monitor, alarm }: BestModelOptions) {
    this.#path = path;
    this.#run = run;
    this.#monitor = monitor;
    this.#alarm = alarm;
    const { from } = run;
    for (const report of from?.epochs ?? []) this.#judge(report);
    if (from !== null && this.#best !== null) this.#find(from, this.#best);
  }

  /** True while the best epoch's model could not be written. */
  get isLost(): boolean {
    return this.#waiting !== null;
  }

  /** Takes the model of an epoch that ended if it is the best; the next `write` writes it. */
  offer(state: RunState): void {
    const report = state.step === 0 ? state.epochs.at(-1) : undefined;
    if (report !== undefined && this.#judge(report)) this.#take(state, report);
  }

  /**
   * Writes what is to be written, and again what could not be.
   * @param isLast whether there is no later time to try it again
   */
  async write(isLast = false): Promise<void> {
    const waiting = this.#waiting;
    if (waiting === null) return;
    try {
      await writeBeside(files, this.#path, waiting.model.encode());
      this.#writtenSteps = waiting.steps;
      // A better one may have come meanwhile.
      if (this.#waiting === waiting) this.#waiting = null;
    } catch (error) {
      const rest = isLast
        ? 'the run ends without it; make room or mend the folder'
        : 'training goes on without it; make room or mend the folder, it is tried again with the next checkpoint';
      this.#tell(`cannot write ${shownPath(this.#path)} (${systemReason(error)}); ${rest}`, error);
    }
  }

  /** Takes back what holds the model after so many steps, or later: it is wrong. Only while nothing is written. */
  async discard(steps: number): Promise<void> {
    if (this.#waiting !== null && this.#waiting.steps >= steps) this.#waiting = null;
    if (this.#writtenSteps === null || this.#writtenSteps < steps) return;
    try {
      await remove(files, this.#path);
      this.#writtenSteps = null;
    } catch (error) {
      const reason = systemReason(error);
      this.#tell(`cannot remove ${shownPath(this.#path)} (${reason}); its model is wrong, remove it`, error);
    }
  }

  /** Looks whether a run that goes on has the file of its best epoch, and if not, whether its model is still there. */
  #find(from: RunState, best: EpochReport): void {
    if (existsSync(this.#path)) {
      this.#writtenSteps = best.steps;
    } else if (from.step === 0 && from.epochs.at(-1) === best) {
      this.#take(from, best);
    } else {
      this.#tell(
        `${shownPath(this.#path)} is missing: the model of epoch ${best.epoch}, the best so far, is lost; ` +
          'the run goes on, and a better one is written there',
      );
    }
  }

  #take({ snapshot }: RunState, { steps }: EpochReport): void {
    this.#waiting = { model: new TrainedModel(this.#run.recipe, snapshot), steps };
  }

  /** Notes an epoch as the best if it is. */
  #judge(report: EpochReport): boolean {
    const isBest = this.#best === null || isBetterEpoch(this.#monitor, report, this.#best);
    if (isBest) this.#best = report;
    return isBest;
  }

  #tell(line: string, cause?: unknown): void {
    this.#alarm(new LockstepError('OUTPUT', line, { cause }));
  }
}
