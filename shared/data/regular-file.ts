/** Opening and reading of regular files, with errors that name the file. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { dataError, type LockstepError, reasonOf } from '../errors.ts';

/** An open file; whoever opened it closes it with `closeSync(file.fd)`. */
export interface RegularFile {
  readonly path: string;
  readonly fd: number;
  /** The size at the time of opening. */
  readonly sizeBytes: number;
}

/** A path made safe for one line of a terminal; never cut, because its end is what tells files apart. */
export function shownPath(path: string): string {
  return JSON.stringify(path).replace(/[\u007f-\u009f\u2028\u2029]/g, '?');
}

/**
 * Opens a regular file for reading. A directory, a device or a FIFO is refused, and never waited for.
 * Throws a data error when there is no such file or it may not be read.
 */
export function openRegularFile(path: string): RegularFile {
  // Without O_NONBLOCK the opening of a FIFO waits for a writer that may never come. It changes nothing for
  // regular files, and Windows, which has no such FIFOs, does not define it.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) {
      throw dataError(`${shownPath(path)}: not a regular file; expected one, put the data file itself there`);
    }
    return { path, fd, sizeBytes: status.size };
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

/**
 * Reads up to `length` bytes from `position` in the file to `offset` in `target`, which may lie in shared
 * memory, and returns how many were read: 0 at the end of the file. Throws a data error when reading fails.
 */
export function readAt(
  file: RegularFile,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  try {
    return readSync(file.fd, target, offset, length, position);
  } catch (thrown) {
    throw unreadable(file.path, thrown);
  }
}

/**
 * All bytes of a file, in memory of their own.
 * Throws a data error when it is no regular file, has more than `largest` bytes, or cannot be read.
 */
export function readRegularFile(path: string, largest: number): Uint8Array {
  const file = openRegularFile(path);
  try {
    if (file.sizeBytes > largest) {
      throw dataError(`${shownPath(path)}: has ${file.sizeBytes} bytes, expected at most ${largest}`);
    }
    return readStart(file, file.sizeBytes);
  } finally {
    closeSync(file.fd);
  }
}

/** A single call of the system reads fewer bytes than 2 GiB. */
const longestRead = 2 ** 30;

/** The first `length` bytes of the file, or all of them when it has fewer. Throws as `readAt` does. */
export function readStart(file: RegularFile, length: number): Uint8Array {
  const start = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = readAt(file, start, filled, Math.min(length - filled, longestRead), filled);
    if (count === 0) break;
    filled += count;
  }
  return start.subarray(0, filled);
}

/** What the system says about a failed call, without the path that Node repeats unescaped after a comma. */
export function systemReason(thrown: unknown): string {
  return reasonOf(thrown).split(', ')[0];
}

function unreadable(path: string, thrown: unknown): LockstepError {
  return dataError(
    `${shownPath(path)}: cannot be read (${systemReason(thrown)}); expected a readable data file`,
    thrown,
  );
}
