/** The log of a run: JSON lines, one per step, one per epoch, and one for each thing that happens to a worker. */
import { accessSync, closeSync, constants, fdatasync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { checkWritable, codeOf, makeFolders, writeWhole } from './durable-file.ts';
import type { EpochReport, StepReport } from './reports.ts';

/**
 * A log that cannot be written any more ends there and says so once: no training is lost for its log.
 */
export class RunLog {
  readonly #path: string;
  readonly #file: number;
  readonly #alarm: (error: LockstepError) => void;
  #failed = false;

  /**
   * Opens the file, a pipe or a device too.
   * @param how to begin where there is a file already
   * @param alarm called at most once, when writing fails
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor(path: string, alarm: (error: LockstepError) => void, how: 'anew' | 'at its end' = 'anew') {
    this.#path = path;
    this.#alarm = alarm;
    try {
      makeFolders(dirname(path));
      this.#file = openSync(path, how === 'anew' ? 'w' : 'a');
    } catch (error) {
      throw unwritableLog(path, error, 'choose a place that can be written to');
    }
  }

  get failed(): boolean {
    return this.#failed;
  }

  steps(reports: readonly StepReport[]): void {
    this.#write(
      reports.map(({ epoch, step, samples, loss, seconds }) => ({ epoch, step, samples, loss, seconds })),
    );
  }

  epoch({ epoch, steps, loss, testLoss, testAccuracy, seconds }: EpochReport): void {
    this.#write([{ epoch, steps, loss, testLoss, testAccuracy, seconds }]);
  }

  /** Something that happened, by its name. */
  event(event: string, facts: object): void {
    this.#write([{ event, ...facts }]);
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

  #write(lines: readonly object[]): void {
    if (this.#failed) return;
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    this.#attempt(() => writeWhole(this.#file, Buffer.from(text)));
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (this.#failed) return;
      this.#failed = true;
      this.#alarm(unwritableLog(this.#path, error, 'the run goes on without this log'));
    }
  }
}

/**
 * Finds out beforehand whether a log can be written; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkLog(path: string): void {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isDirectory()) throw new Error('it is a folder');
    if (status === undefined) checkWritable(path);
    else accessSync(path, constants.W_OK);
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw unwritableLog(path, error, 'choose a place that can be written to');
  }
}

/** What to say of a log that cannot be written. */
export function unwritableLog(path: string, cause: unknown, advice: string): LockstepError {
  return new LockstepError(
    'OUTPUT',
    `cannot write the log ${shownPath(path)} (${systemReason(cause)}); ${advice}`,
    { cause },
  );
}
