/** The checkpoints of a run in their folder: written durably beside training, pruned, found again. */
import { readdirSync } from 'node:fs';
import * as realFiles from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRegularFile, shownPath, systemReason } from '../shared/data/regular-file.ts';
import { dataError, LockstepError } from '../shared/errors.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';
import { codeOf, makeFolders, syncFolder, targetOfTemporary } from './durable-file.ts';
import { type FileOperations, remove, writeBeside } from './file-operations.ts';

/** Where in the run a checkpoint stands: steps since it began, and epochs that are done. */
export interface CheckpointPlace {
  readonly step: number;
  readonly epoch: number;
  /** True for a run that is finished with it. */
  readonly isLast?: boolean;
}

export interface CheckpointsOptions {
  /** This many are kept, at least two. */
  readonly keep: number;
  /** Called with one line whenever a checkpoint cannot be saved or an old one not be removed; training goes on. */
  readonly alarm: (error: LockstepError) => void;
  /** Called with each one that was written or could not be. */
  readonly onWriting?: ((writing: CheckpointWriting) => void) | undefined;
  readonly files?: FileOperations;
}

/** How one was written, on the clock of `performance.now`. */
export interface CheckpointWriting {
  readonly step: number;
  readonly epoch: number;
  readonly bytes: number;
  readonly isWritten: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A checkpoint that is to be written. */
interface Waiting {
  readonly parts: readonly Uint8Array[];
  readonly place: CheckpointPlace;
}

export class Checkpoints {
  readonly #folder: string;
  readonly #keep: number;
  readonly #alarm: (error: LockstepError) => void;
  readonly #onWriting: CheckpointsOptions['onWriting'];
  readonly #files: FileOperations;
  /** The steps of those that are known to be valid and durable. */
  #valid: readonly number[];
  #saved: (CheckpointPlace & { readonly path: string }) | null = null;
  #waiting: Waiting | null = null;
  #writing: Promise<void> | null = null;

  private constructor(folder: string, { keep, alarm, onWriting, files }: CheckpointsOptions) {
    this.#folder = folder;
    this.#keep = keep;
    this.#alarm = alarm;
    this.#onWriting = onWriting;
    this.#files = files ?? realFiles;
    this.#valid = validSteps(folder, keep);
  }

  /**
   * Opens the folder, making it if it is not there, and clears what a killed process left half written.
   * @throws LockstepError (OUTPUT) when it can be neither made nor read
   */
  static async open(folder: string, options: CheckpointsOptions): Promise<Checkpoints> {
    if (options.keep < 2) throw new Error(`${options.keep} would be kept, expected at least two`);
    try {
      for (const made of makeFolders(folder)) syncFolder(dirname(made));
      const checkpoints = new Checkpoints(folder, options);
      await checkpoints.#clear(await checkpoints.#files.readdir(folder), () => false);
      return checkpoints;
    } catch (error) {
      if (error instanceof LockstepError) throw error;
      throw new LockstepError(
        'OUTPUT',
        `cannot keep checkpoints in ${shownPath(folder)} (${systemReason(error)}); choose a place that can be written to`,
        { cause: error },
      );
    }
  }

  /** The newest checkpoint that this store has made durable; null before the first. */
  get saved(): (CheckpointPlace & { readonly path: string }) | null {
    return this.#saved;
  }

  /**
   * Has a checkpoint written, and returns at once. While one is being written the newest of those that come waits, and
   * takes the place of one that waits already.
   * @param parts as `encodeCheckpoint` gives them; nobody may change them any more
   */
  save(parts: readonly Uint8Array[], place: CheckpointPlace): void {
    this.#waiting = { parts, place };
    this.#writing ??= this.#writeWaiting();
  }

  /** Removes the checkpoints of step `from` and later, once what is being written is: they hold a state that is wrong. */
  async discard(from: number): Promise<void> {
    this.#waiting = null;
    await this.#writing;
    this.#valid = this.#valid.filter((step) => step < from);
    try {
      await this.#clear(await this.#files.readdir(this.#folder), (step) => step >= from);
    } catch (error) {
      this.#fail('look for checkpoints of a wrong state', error, 'none of them must be gone on from');
    }
  }

  /** Waits until everything that was to be saved is durable, or has failed. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #writeWaiting(): Promise<void> {
    for (let next = this.#waiting; next !== null; next = this.#waiting) {
      this.#waiting = null;
      await this.#write(next);
    }
    this.#writing = null;
  }

  async #write({ parts, place }: Waiting): Promise<void> {
    const path = join(this.#folder, nameOf(place.step));
    const { step, epoch } = place;
    const fromMs = performance.now();
    const tell = (isWritten: boolean) => {
      const bytes = parts.reduce((sum, { length }) => sum + length, 0);
      this.#onWriting?.({ step, epoch, bytes, isWritten, fromMs, toMs: performance.now() });
    };
    try {
      await writeBeside(this.#files, path, parts);
      tell(true);
    } catch (error) {
      tell(false);
      const last = this.#valid.length === 0 ? 'there is none yet' : `that of step ${this.#valid[0]} stays`;
      this.#fail(
        `save the checkpoint of step ${place.step} (epoch ${place.epoch})`,
        error,
        last,
        place.isLast,
      );
      return;
    }
    this.#saved = { ...place, path };
    this.#valid = [...new Set([place.step, ...this.#valid])].sort((a, b) => b - a);
    await this.#prune();
  }

  /**
   * Once as many as are to be kept are known to be valid, removes all others, also those that were refused. Nothing
   * is removed before: who is killed again and again must not lose what the next one may need.
   */
  async #prune(): Promise<void> {
    try {
      const names = await this.#files.readdir(this.#folder);
      const there = new Set(names);
      this.#valid = this.#valid.filter((step) => there.has(nameOf(step))).slice(0, this.#keep);
      const kept = new Set(this.#valid);
      await this.#clear(names, (step) => kept.size === this.#keep && !kept.has(step));
    } catch (error) {
      this.#fail('look for old checkpoints', error, 'more than are needed stay');
    }
  }

  /** Removes the temporary files of checkpoints, which nobody writes now, and the checkpoints that are not wanted. */
  async #clear(names: readonly string[], isUnwanted: (step: number) => boolean): Promise<void> {
    for (const name of names) {
      const step = stepOf(name);
      const isLeftOver = stepOf(targetOfTemporary(name) ?? '') !== null;
      if (!isLeftOver && (step === null || !isUnwanted(step))) continue;
      try {
        await remove(this.#files, join(this.#folder, name));
      } catch (error) {
        this.#fail(`remove ${shownPath(name)}`, error, 'it stays until then');
      }
    }
  }

  #fail(what: string, cause: unknown, rest: string, isLast = false): void {
    const [state, advice] = isLast
      ? ['it was the last', 'then go on with the run']
      : ['training goes on', 'it is tried again with the next checkpoint'];
    this.#alarm(
      new LockstepError(
        'OUTPUT',
        `cannot ${what} in ${shownPath(this.#folder)} (${systemReason(cause)}); ${state}, ${rest}; ` +
          `make room or mend the folder, ${advice}`,
        { cause },
      ),
    );
  }
}

export interface NewestCheckpoint {
  /** The newest valid checkpoint; null if there is none. */
  readonly found: (Checkpoint & { readonly path: string }) | null;
  /** Newer ones that cannot be used, the newest first, each with one line that says why and names the file. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Finds the newest valid checkpoint of a folder, which need not be there.
 * @throws LockstepError (DATA) when the folder cannot be read
 */
export function newestCheckpoint(folder: string): NewestCheckpoint {
  const refused: { path: string; reason: string }[] = [];
  for (const step of storedSteps(folder)) {
    const path = join(folder, nameOf(step));
    const result = tryCheckpoint(folder, step);
    if (typeof result !== 'string') return { found: { ...result, path }, refused };
    refused.push({ path, reason: result });
  }
  return { found: null, refused };
}

/** More than any model that can be trained needs. */
const largestCheckpoint = 2 ** 32 - 1;

/**
 * Reads the checkpoint of a step.
 * @throws LockstepError (DATA) with the first reason why it is not whole and unaltered
 */
export function readCheckpoint(folder: string, step: number): Checkpoint {
  const path = join(folder, nameOf(step));
  return decodeCheckpoint(readRegularFile(path, largestCheckpoint), path);
}

/** The checkpoint, or the line with which it is refused. */
function tryCheckpoint(folder: string, step: number): Checkpoint | string {
  try {
    return readCheckpoint(folder, step);
  } catch (error) {
    if (error instanceof LockstepError) return error.message;
    throw error;
  }
}

/** The steps of the newest valid checkpoints of a folder, so many at most, the newest first. */
function validSteps(folder: string, count: number): number[] {
  const valid: number[] = [];
  for (const step of storedSteps(folder)) {
    if (valid.length === count) break;
    if (typeof tryCheckpoint(folder, step) !== 'string') valid.push(step);
  }
  return valid;
}

/** The steps of all checkpoints of a folder, valid or not, the newest first. */
export function storedSteps(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => stepOf(name) ?? [])
      .sort((a, b) => b - a);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw dataError(
      `${shownPath(folder)}: cannot be read (${systemReason(error)}); expected a folder with checkpoints`,
      error,
    );
  }
}

/** Names in the order of steps are in the order of the alphabet. */
function nameOf(step: number): string {
  return `step-${String(step).padStart(9, '0')}.safetensors`;
}

/** The step of a checkpoint's name, null for all other names. */
function stepOf(name: string): number | null {
  const step = Number(/^step-(\d{9,15})\.safetensors$/.exec(name)?.[1] ?? Number.NaN);
  return Number.isNaN(step) || nameOf(step) !== name ? null : step;
}
