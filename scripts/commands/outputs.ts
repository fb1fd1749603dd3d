/** Where a run's recipe, logs and model go. Nothing is made before the run is known to begin. */
import { join, resolve } from 'node:path';
import { ChainFile } from '../../coordinator/chain-file.ts';
import { checkWritable, writeDurably } from '../../coordinator/durable-file.ts';
import { checkLog, RunLog } from '../../coordinator/log.ts';
import type { Run } from '../../coordinator/prepare.ts';
import type { EpochReport, StepReport } from '../../coordinator/reports.ts';
import {
  checkNumberedRunFolder,
  checkRunFolder,
  defaultRunFolder,
  makeNumberedRunFolder,
  makeRunFolder,
} from '../../coordinator/run-folder.ts';
import { LockstepError, quoted, usageError } from '../../shared/errors.ts';
import { canonicalJson, type Recipe, recipeId } from '../../shared/recipe/recipe.ts';
import type { TrainedModel } from '../model.ts';
import type { FlagValues } from './flag-values.ts';

export class Outputs {
  /** The run folder, once it is made. */
  folder: string | null = null;
  /** Where the model was written. */
  readonly models: string[] = [];
  readonly #flags: FlagValues;
  readonly #recipeName: string;
  readonly #alarm: (error: LockstepError) => void;
  readonly #logs: RunLog[] = [];
  #chain: ChainFile | null = null;
  #failures = 0;

  /**
   * @param alarm called for everything that cannot be written once the run has begun
   * @throws LockstepError (USAGE, OUTPUT) for what could not be written in the end
   */
  constructor(flags: FlagValues, recipeName: string, alarm: (error: LockstepError) => void) {
    this.#flags = flags;
    this.#recipeName = recipeName;
    this.#alarm = (error) => {
      this.#failures += 1;
      alarm(error);
    };
    this.#check();
  }

  /** True if everything could be written. */
  get complete(): boolean {
    return this.#failures === 0;
  }

  open(run: Run): void {
    const { recipe } = run;
    if (this.#wantsFolder) {
      this.folder = this.#makeFolder(recipe);
      writeDurably(join(this.folder, 'recipe.json'), [
        `${JSON.stringify(JSON.parse(canonicalJson(recipe)), null, 2)}\n`,
      ]);
      this.#logs.push(new RunLog(join(this.folder, 'log.jsonl'), this.#alarm));
      this.#chain = new ChainFile(join(this.folder, 'chain'), run, this.#alarm);
    }
    const log = this.#flags.text('log');
    if (log !== undefined) this.#logs.push(new RunLog(log, this.#alarm));
  }

  steps(reports: readonly StepReport[]): void {
    for (const log of this.#logs) log.steps(reports);
    this.#chain?.steps(reports);
  }

  epoch(report: EpochReport): void {
    for (const log of this.#logs) log.epoch(report);
  }

  event(event: string, facts: object): void {
    for (const log of this.#logs) log.event(event, facts);
  }

  /** Writes the model wherever it can be written: no training is lost because one of two places is full. */
  save(model: TrainedModel): void {
    const out = this.#flags.text('out');
    const paths = [
      ...(out === undefined ? [] : [out]),
      ...(this.folder === null ? [] : [join(this.folder, 'model.safetensors')]),
    ];
    for (const path of paths) {
      try {
        model.save(path);
        this.models.push(path);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.#alarm(error);
      }
    }
  }

  close(): void {
    for (const log of this.#logs.splice(0)) log.close();
    this.#chain?.close();
    this.#chain = null;
  }

  get #wantsFolder(): boolean {
    return !this.#flags.isOn('no-run') || this.#overrules('run', 'no-run');
  }

  /** A flag goes over another one's environment variable. */
  #overrules(flag: string, other: string): boolean {
    return this.#flags.isOnCommandLine(flag) && !this.#flags.isOnCommandLine(other);
  }

  #check(): void {
    const flags = this.#flags;
    const [run, out, log] = ['run', 'out', 'log'].map((name) => flags.text(name));
    if (run !== undefined && flags.isOn('no-run')) {
      if (!this.#overrules('run', 'no-run') && !this.#overrules('no-run', 'run')) {
        throw usageError(
          `${flags.label('run')}: got ${quoted(run)} together with ${flags.label('no-run')}, expected one of the two`,
        );
      }
    }
    if (out !== undefined && log !== undefined && resolve(out) === resolve(log)) {
      throw usageError(
        `${flags.label('log')}: got ${quoted(log)}, which is ${flags.label('out')} too; expected another file`,
      );
    }
    if (this.#wantsFolder) {
      if (run !== undefined) checkRunFolder(run, flags.label('run'));
      else checkNumberedRunFolder(flags.label('run'));
    }
    if (out !== undefined) checkWritable(out);
    if (log !== undefined) checkLog(log);
  }

  #makeFolder(recipe: Recipe): string {
    const folder = this.#flags.text('run');
    const label = this.#flags.label('run');
    if (folder === undefined) {
      return makeNumberedRunFolder(defaultRunFolder(this.#recipeName, recipeId(recipe), new Date()), label);
    }
    makeRunFolder(folder, label);
    return folder;
  }
}
