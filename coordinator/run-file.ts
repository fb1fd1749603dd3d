/** A file that a run writes while it goes on: its log, its chain. */
import { accessSync, closeSync, constants, fdatasync, statSync } from 'node:fs';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { checkWritable, codeOf, writeWhole } from './durable-file.ts';

/** One that cannot be written any more ends there and says so once: no training is lost for it. */
export class RunFile {
  readonly #path: string;
  readonly #what: string;
  readonly #file: number;
  readonly #alarm: (error: LockstepError) => void;
  #failed = false;

  /**
   * @param what it is, for messages: `log`
   * @param alarm called at most once, when writing fails
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor(
    path: string,
    what: string,
    alarm: (error: LockstepError) => void,
    open: (path: string) => number,
  ) {
    this.#path = path;
    this.#what = what;
    this.#alarm = alarm;
    try {
      this.#file = open(path);
    } catch (error) {
      if (error instanceof LockstepError) throw error;
      throw unwritable(what, path, error, 'choose a place that can be written to');
    }
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Writes all bytes, where the file stands or from a position on. */
  write(bytes: Uint8Array, position: number | null = null): void {
    if (this.#failed) return;
    this.#attempt(() => writeWhole(this.#file, bytes, position));
  }

  /** Makes what was written so far durable, as far as this kind of file can be. */
  sync(): Promise<void> {
    if (this.#failed) return Promise.resolve();
    return new Promise((resolve) => {
      fdatasync(this.#file, (error) => {
        if (error !== null && !['EINVAL', 'ENOTSUP', 'EROFS'].includes(codeOf(error) ?? '')) {
          this.#attempt(() => {
            throw error;
          });
        }
        resolve();
      });
    });
  }

  close(): void {
    this.#attempt(() => closeSync(this.#file));
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (this.#failed) return;
      this.#failed = true;
      this.#alarm(unwritable(this.#what, this.#path, error, `the run goes on without this ${this.#what}`));
    }
  }
}

/**
 * Finds out beforehand whether such a file can be written; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkRunFile(path: string, what: string): void {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isDirectory()) throw new Error('it is a folder');
    if (status === undefined) checkWritable(path);
    else accessSync(path, constants.W_OK);
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw unwritable(what, path, error, 'choose a place that can be written to');
  }
}

export function unwritable(what: string, path: string, cause: unknown, advice: string): LockstepError {
  return new LockstepError(
    'OUTPUT',
    `cannot write the ${what} ${shownPath(path)} (${systemReason(cause)}); ${advice}`,
    { cause },
  );
}
