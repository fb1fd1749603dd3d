/** The log of a run: JSON lines, one per step, one per epoch, and one for each thing that happens to a worker. */
import { dirname } from 'node:path';
import type { LockstepError } from '../shared/errors.ts';
import { makeFolders } from './durable-file.ts';
import type { EpochReport, StepReport } from './reports.ts';
import { openToWrite, RunFile, unwritable } from './run-file.ts';

export class RunLog {
  readonly #file: RunFile;

  /**
   * Opens the file, a pipe or a device too.
   * @param how to begin where there is a file already
   * @param alarm called at most once, when writing fails; the log ends there
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor(path: string, alarm: (error: LockstepError) => void, how: 'anew' | 'at its end' = 'anew') {
    this.#file = new RunFile(path, 'log', alarm, () => {
      makeFolders(dirname(path));
      return openToWrite(path, how);
    });
  }

  get failed(): boolean {
    return this.#file.failed;
  }

  steps(reports: readonly StepReport[]): void {
    this.#write(
      reports.map(({ epoch, step, samples, loss, accuracy, seconds }) => ({
        epoch,
        step,
        samples,
        loss,
        accuracy,
        seconds,
      })),
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
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  #write(lines: readonly object[]): void {
    this.#file.write(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  }
}

/** What to say of a log that cannot be written. */
export function unwritableLog(path: string, cause: unknown, advice: string): LockstepError {
  return unwritable('log', path, cause, advice);
}
