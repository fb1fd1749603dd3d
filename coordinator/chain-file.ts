/**
 * The file `chain` of a run folder: its digests one behind the other, 32 bytes each, and nothing else. The first is the
 * weights digest of the initial model, digest n the one after step n; `tail -c 32 chain | xxd -p -c 32` prints the last.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { openRegularFile, type RegularFile, readAt, shownPath } from '../shared/data/regular-file.ts';
import { dataError, type LockstepError } from '../shared/errors.ts';
import { digestBytes } from './chain.ts';
import type { StepReport } from './reports.ts';
import { RunFile } from './run-file.ts';

export class ChainFile {
  readonly #file: RunFile;

  /**
   * Opens the file of a run that stands at a step, at 0 where it begins. What the file holds beyond that step is cut off.
   * @param alarm called at most once, when writing fails; the file ends there
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor(
    path: string,
    { committed, chain }: { readonly committed: number; readonly chain: string },
    alarm: (error: LockstepError) => void,
  ) {
    this.#file = new RunFile(path, 'chain', alarm, () => {
      const file = openSync(path, constants.O_RDWR | constants.O_CREAT);
      ftruncateSync(file, Math.min(fstatSync(file).size, digestBytes * committed));
      return file;
    });
    this.#write(committed, [chain]);
  }

  get failed(): boolean {
    return this.#file.failed;
  }

  /** Adds the digests of steps that follow one another. */
  steps(reports: readonly StepReport[]): void {
    if (reports.length === 0) return;
    this.#write(
      reports[0].step,
      reports.map(({ digest }) => digest),
    );
  }

  /** Makes what was written so far durable. */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  /** Each digest has its place, so that what is written twice is there once. */
  #write(step: number, digests: readonly string[]): void {
    this.#file.write(Buffer.from(digests.join(''), 'hex'), digestBytes * step);
  }
}

/** A chain as it is read, also while its run goes on writing it. */
export class StoredChain {
  readonly #file: RegularFile;
  /** The last step whose digest was there when it was opened, whole and not lost. */
  readonly steps: number;

  /** @throws LockstepError (DATA) when it cannot be read or has not even its first digest */
  constructor(path: string) {
    this.#file = openRegularFile(path);
    const { sizeBytes } = this.#file;
    if (sizeBytes < digestBytes) {
      this.close();
      throw dataError(
        `${shownPath(path)}: has ${sizeBytes} bytes, expected digests of ${digestBytes} bytes each`,
      );
    }
    let steps = Math.floor(sizeBytes / digestBytes) - 1;
    while (steps > 0 && this.digest(steps) === null) steps--;
    this.steps = steps;
  }

  /**
   * The digest after a step, in hexadecimal; null where it is not there, as what was lost with the machine's power.
   * @throws LockstepError (DATA) when it cannot be read
   */
  digest(step: number): string | null {
    const bytes = Buffer.alloc(digestBytes);
    const count = readAt(this.#file, bytes, 0, digestBytes, digestBytes * step);
    return count < digestBytes || bytes.every((byte) => byte === 0) ? null : bytes.toString('hex');
  }

  close(): void {
    closeSync(this.#file.fd);
  }
}
