/**
 * The file `chain` of a run folder: its links one behind the other, 32 bytes each, and nothing else. The first is the
 * weights digest of the initial model, link n the one after step n; `tail -c 32 chain | xxd -p -c 32` prints the last.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { openRegularFile, type RegularFile, readAt, shownPath } from '../shared/data/regular-file.ts';
import { dataError, type LockstepError } from '../shared/errors.ts';
import { linkBytes } from './chain.ts';
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
      ftruncateSync(file, Math.min(fstatSync(file).size, linkBytes * committed));
      return file;
    });
    this.#write(committed, [chain]);
  }

  /** Adds the links of steps that follow one another. */
  steps(reports: readonly StepReport[]): void {
    if (reports.length === 0) return;
    this.#write(
      reports[0].step,
      reports.map(({ link }) => link),
    );
  }

  /** Makes what was written so far durable. */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }

  /** Each link has its place, so that what is written twice is there once. */
  #write(step: number, links: readonly string[]): void {
    this.#file.write(Buffer.from(links.join(''), 'hex'), linkBytes * step);
  }
}

/** A chain as it is read, also while its run goes on writing it. */
export class StoredChain {
  readonly #file: RegularFile;

  /** @throws LockstepError (DATA) when it cannot be read or has not even its first link */
  constructor(path: string) {
    this.#file = openRegularFile(path);
    if (this.#file.sizeBytes >= linkBytes) return;
    this.close();
    throw dataError(
      `${shownPath(path)}: has ${this.#file.sizeBytes} bytes, expected links of ${linkBytes} bytes each`,
    );
  }

  /** Steps whose links were there when it was opened; a link that is being written does not count. */
  get steps(): number {
    return Math.floor(this.#file.sizeBytes / linkBytes) - 1;
  }

  /**
   * The link after a step from 0 to `steps`, in hexadecimal.
   * @throws LockstepError (DATA) when it cannot be read, or was lost with the machine's power
   */
  link(step: number): string {
    const bytes = Buffer.alloc(linkBytes);
    const count = readAt(this.#file, bytes, 0, linkBytes, linkBytes * step);
    if (count < linkBytes || bytes.every((byte) => byte === 0)) {
      throw dataError(
        `${shownPath(this.#file.path)}: the link of step ${step} is not there; the file was cut off or altered`,
      );
    }
    return bytes.toString('hex');
  }

  close(): void {
    closeSync(this.#file.fd);
  }
}
