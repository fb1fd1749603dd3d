/** A file that a run writes while it goes on: its log, its chain. */
import { accessSync, closeSync, constants, fdatasync, openSync, statSync, writeSync } from 'node:fs';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { checkWritable, codeOf, writeWhole } from './durable-file.ts';

/** So much waits for a pipe's reader. One that is further behind has stopped: training waits for nobody who reads. */
const mostWaitingBytes = 2 ** 20;
/** For the rest of it, in the end. */
const restMs = 1_000;

/** One that cannot be written any more ends there and says so once: no training is lost for it. */
export class RunFile {
  readonly #path: string;
  readonly #what: string;
  readonly #file: number;
  readonly #alarm: (error: LockstepError) => void;
  /** What a pipe has not taken yet, oldest first. */
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
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
    this.#attempt(() => {
      if (position !== null) {
        writeWhole(this.#file, bytes, position);
        return;
      }
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
      this.#writeWaiting();
      if (this.#waitingBytes > mostWaitingBytes) throw new Error('nobody reads it any more');
    });
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

  /** Closes the file, for which the reader of a pipe has a second to take the rest. */
  close(): void {
    if (!this.#failed) this.#attempt(() => this.#writeRest());
    this.#attempt(() => closeSync(this.#file));
  }

  #writeRest(): void {
    const endMs = performance.now() + restMs;
    const sleeping = new Int32Array(new SharedArrayBuffer(4));
    for (this.#writeWaiting(); this.#waiting.length > 0; this.#writeWaiting()) {
      if (performance.now() > endMs) throw new Error('nobody reads it any more');
      Atomics.wait(sleeping, 0, 0, 10);
    }
  }

  /** Writes as much as there is room for just now, which in a regular file is all. */
  #writeWaiting(): void {
    try {
      while (this.#waiting.length > 0) {
        const [bytes] = this.#waiting;
        const written = writeSync(this.#file, bytes);
        this.#waitingBytes -= written;
        if (written < bytes.length) this.#waiting[0] = bytes.subarray(written);
        else this.#waiting.shift();
      }
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
    }
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
 * Opens a file, a pipe or a device to write, and never waits for who reads it.
 * @throws Error where nobody reads a pipe, or as the system says it
 */
export function openToWrite(path: string, how: 'anew' | 'at its end'): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NONBLOCK = 0 } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK | (how === 'anew' ? O_TRUNC : O_APPEND));
  } catch (error) {
    const isPipe = codeOf(error) === 'ENXIO' && statSync(path).isFIFO();
    throw isPipe ? new Error('nobody reads this pipe: start its reader first') : error;
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
