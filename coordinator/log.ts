/** The log of a run: JSON lines, one per step and one per epoch. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import type { EpochReport, StepReport } from './reports.ts';

export class RunLog {
  readonly #path: string;
  readonly #file: number;

  /** Opens the file, replacing one that is there. @throws LockstepError (OUTPUT) */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'w');
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  steps(reports: readonly StepReport[]): void {
    this.#write(
      reports.map(({ epoch, step, samples, loss, seconds }) => ({ epoch, step, samples, loss, seconds })),
    );
  }

  epoch({ epoch, steps, loss, testLoss, testAccuracy, seconds }: EpochReport): void {
    this.#write([{ epoch, steps, loss, testLoss, testAccuracy, seconds }]);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(lines: readonly object[]): void {
    try {
      writeSync(this.#file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  #unwritable(cause: unknown): LockstepError {
    return new LockstepError(
      'OUTPUT',
      `cannot write the log ${shownPath(this.#path)} (${systemReason(cause)})`,
      { cause },
    );
  }
}
