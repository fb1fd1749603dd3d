/**
 * Keeps a run in its folder: the recipe, where it was started, the log, the chain, checkpoints, the best model and the last. All
 * that is large is written beside training.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ChainFile } from '../coordinator/chain-file.ts';
import { encodeCheckpoint } from '../coordinator/checkpoint.ts';
import { Checkpoints, type CheckpointWriting } from '../coordinator/checkpoints.ts';
import { targetOfTemporary, writeDurably } from '../coordinator/durable-file.ts';
import { isFinished } from '../coordinator/early-stopping.ts';
import { RunLog } from '../coordinator/log.ts';
import { cutLog } from '../coordinator/log-cut.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { EpochReport, KeepEvery, Keeping, StepReport } from '../coordinator/reports.ts';
import { isClaim, type RunLock } from '../coordinator/run-lock.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import { BestModel } from './best-model.ts';
import { environmentFile, noteStart, type StartFacts } from './environment.ts';
import type { KeepSettings } from './keep-settings.ts';

export const runFiles = {
  recipe: 'recipe.json',
  log: 'log.jsonl',
  chain: 'chain',
  checkpoints: 'checkpoints',
  model: 'model.safetensors',
  best: 'best.safetensors',
  token: 'token',
} as const;

/** Whether a run's folder has a file or folder of this name of its own. */
export function isRunFile(name: string): boolean {
  return [...Object.values<string>(runFiles), environmentFile].includes(name) || isClaim(name);
}

export interface KeeperOptions {
  readonly folder: string;
  readonly lock: RunLock;
  readonly run: Run;
  readonly settings: KeepSettings;
  readonly start: StartFacts;
  /** Told in one line of everything that cannot be written once the run has begun. */
  readonly alarm: (error: LockstepError) => void;
  readonly onCheckpoint?: ((writing: CheckpointWriting) => void) | undefined;
}

export class RunKeeper implements Keeping {
  readonly folder: string;
  readonly every: KeepEvery | null;
  readonly #lock: RunLock;
  readonly #run: Run;
  readonly #log: RunLog;
  readonly #chain: ChainFile;
  readonly #checkpoints: Checkpoints;
  readonly #best: BestModel;
  /** The state that waits to be written, and the last one that came. */
  #waiting: RunState | null = null;
  #last: RunState | null = null;
  #writing: Promise<void> | null = null;
  #discarding: Promise<void> | null = null;

  private constructor(options: KeeperOptions, checkpoints: Checkpoints) {
    const { folder, lock, run, settings, alarm } = options;
    this.folder = folder;
    this.every = settings.every;
    this.#lock = lock;
    this.#run = run;
    this.#checkpoints = checkpoints;
    this.#log = openLog(folder, run, alarm);
    this.#chain = new ChainFile(join(folder, runFiles.chain), run, alarm);
    const { monitor } = settings;
    this.#best = new BestModel({ path: join(folder, runFiles.best), run, monitor, alarm });
  }

  /**
   * Opens the folder of a run that begins, or goes on; it is there and held.
   * @throws LockstepError (OUTPUT)
   */
  static async open(options: KeeperOptions): Promise<RunKeeper> {
    const { folder, run, settings, start, alarm } = options;
    clearTemporaries(folder);
    const recipe = join(folder, runFiles.recipe);
    if (!existsSync(recipe)) {
      writeDurably(recipe, [`${JSON.stringify(JSON.parse(canonicalJson(run.recipe)), null, 2)}\n`]);
    }
    noteStart(folder, run, start, settings);
    const { keep } = settings;
    const onWriting = options.onCheckpoint;
    const path = join(folder, runFiles.checkpoints);
    const checkpoints = await Checkpoints.open(path, { keep, alarm, onWriting });
    const keeper = new RunKeeper(options, checkpoints);
    // Of a run that goes on, where the file was lost and the model was not.
    await keeper.#best.write();
    return keeper;
  }

  /** True if everything is written; only after `close`. */
  get isComplete(): boolean {
    const { saved } = this.#checkpoints;
    const isKept = this.#last === null || saved?.step === stepsOf(this.#run, this.#last);
    return isKept && !this.#best.isLost && !this.#log.failed && !this.#chain.failed;
  }

  /** Steps of the newest checkpoint that was written here, null before the first. */
  get savedStep(): number | null {
    return this.#checkpoints.saved?.step ?? null;
  }

  steps(reports: readonly StepReport[]): void {
    this.#log.steps(reports);
    this.#chain.steps(reports);
  }

  epoch(report: EpochReport): void {
    this.#log.epoch(report);
  }

  event(event: string, facts: object): void {
    this.#log.event(event, facts);
  }

  /** @throws LockstepError (OUTPUT) when another process has the folder now */
  keep(state: RunState): void {
    if (this.#lock.isLost) {
      throw new LockstepError(
        'OUTPUT',
        `another process goes on with the run in ${shownPath(this.folder)}: this one did not move for too long; it ends here`,
      );
    }
    this.#best.offer(state);
    this.#last = state;
    this.#waiting = state;
    this.#writing ??= this.#write();
  }

  discard(steps: number): void {
    this.#waiting = null;
    this.#discarding = Promise.resolve(this.#writing).then(async () => {
      await this.#checkpoints.discard(steps);
      await this.#best.discard(steps);
    });
  }

  /** Waits until all is written, and lets others have the folder. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#discarding;
    this.#log.close();
    this.#chain.close();
    this.#lock.release();
  }

  /** Writes what waits, and what comes meanwhile: of the states always the newest. */
  async #write(): Promise<void> {
    while (this.#waiting !== null) {
      const state = this.#waiting;
      this.#waiting = null;
      // A checkpoint without the lines before it could not be gone on from with a whole log. While this is waited for,
      // the team is at work again.
      await Promise.all([this.#log.sync(), this.#chain.sync()]);
      const { architecture, recipe } = this.#run;
      const isLast = isFinished(recipe, state);
      // Before the checkpoint that knows of it: what goes on from there need not write it again.
      await this.#best.write(isLast);
      const place = { step: stepsOf(this.#run, state), epoch: state.epoch, isLast };
      this.#checkpoints.save(encodeCheckpoint(architecture, recipe, state), place);
      await this.#checkpoints.close();
    }
    this.#writing = null;
  }
}

/** The log as it was where the run stands, to be written on. */
function openLog(folder: string, run: Run, alarm: (error: LockstepError) => void): RunLog {
  const path = join(folder, runFiles.log);
  if (!existsSync(path) && run.from === null) return new RunLog(path, alarm);
  const done = { steps: run.committed, epochs: run.from?.epoch ?? 0 };
  const warn = (what: string, cause?: unknown) =>
    alarm(new LockstepError('OUTPUT', `the log ${shownPath(path)} ${what}; the run goes on`, { cause }));
  try {
    const there = existsSync(path) ? cutLog(path, done) : { steps: 0, epochs: 0 };
    if (there.steps < done.steps || there.epochs < done.epochs) {
      warn(
        `ends after step ${there.steps}, expected step ${done.steps} where the run goes on: the lines between are lost`,
      );
    }
  } catch (error) {
    warn(`cannot be brought to where the run goes on (${systemReason(error)})`, error);
  }
  return new RunLog(path, alarm, 'at its end');
}

/** What a killed process left half written; not the claims of those who look whether they may have the folder. */
function clearTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    const target = targetOfTemporary(name);
    if (target !== null && !isClaim(target)) rmSync(join(folder, name), { force: true });
  }
}

function stepsOf({ steps }: Run, { epoch, step }: RunState): number {
  return epoch * steps + step;
}
