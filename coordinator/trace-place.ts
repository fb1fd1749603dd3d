/** Where a trace goes: only a trace that nobody writes any more makes room for another, and no two processes take one file. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { shownPath } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { checkWritable, codeOf, makeFolders } from './durable-file.ts';
import { isAlive, thisProcess } from './process-identity.ts';
import { unwritable } from './run-file.ts';

/** How every trace begins; its first event says who writes it. */
const traceStart = '[\n{"ph":"M","pid":';
/** How one ends that was ended. */
export const traceEnd = '\n]\n';
/** The first event, with the name of its process, is not longer. */
const startBytes = 4096;
/** Looks whether others are done that take the same file, and from one to the next. */
const mostAttempts = 400;
const attemptMs = 5;
/** Who has made a file writes to it by then. */
const freshMs = 10_000;

/** Who writes a trace, for its first event. */
export function traceWriter(): { readonly writer: number; readonly started: string; readonly place: string } {
  const { pid, started, place } = thisProcess();
  return { writer: pid, started: started ?? '', place };
}

/**
 * Finds out beforehand whether a trace can be written; leaves nothing behind, and what is there as it is.
 * @throws LockstepError (OUTPUT)
 */
export function checkTracePlace(path: string): void {
  refusing(path, () => {
    const device = openDevice(path);
    if (device !== null) return closeSync(device);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) closeSync(openReplaceable(path));
    checkWritable(path);
  });
}

/**
 * Opens a new file, or a device.
 * @throws LockstepError (OUTPUT) where there is something else than a trace that is over, or nothing can be written
 */
export function openTracePlace(path: string): number {
  return refusing(path, () => {
    const device = openDevice(path);
    if (device !== null) return device;
    makeFolders(dirname(path));
    // A link stays, and what it leads to is replaced.
    const target = statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
    return alone(target, () => {
      takeAway(target);
      return openSync(target, 'wx');
    });
  });
}

/** Does something while no other process does it at the same path: a folder beside it says so. */
function alone<Result>(path: string, action: () => Result): Result {
  const lock = `${path}.lock`;
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      if (attempt === mostAttempts) throw new Error(`${shownPath(lock)} is there: others take the same file`);
    }
    // Nobody wakes it: it is for the time.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, attemptMs);
  }
  try {
    return action();
  } finally {
    rmdirSync(lock);
  }
}

/** Null where there is none. Nobody waits for whoever reads a pipe: it is refused. */
function openDevice(path: string): number | null {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.isFile()) return null;
  if (status.isDirectory()) throw new Error('it is a folder');
  if (!status.isCharacterDevice()) throw new Error('it is not a regular file');
  return openSync(path, constants.O_WRONLY | (constants.O_NONBLOCK ?? 0));
}

/** Opens what may be taken away, to look at it again. @throws Error saying why it may not */
function openReplaceable(path: string): number {
  const file = openSync(path, constants.O_RDWR | (constants.O_NONBLOCK ?? 0));
  try {
    checkReplaceable(file);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** @throws Error saying why it may not be taken away */
function checkReplaceable(file: number): void {
  const { size, mtimeMs } = fstatSync(file);
  if (size === 0) {
    if (Math.abs(Date.now() - mtimeMs) < freshMs) {
      throw new Error('it is empty: another process may have just begun its trace there');
    }
    return;
  }
  const start = textAt(file, 0, startBytes);
  if (!start.startsWith(traceStart)) throw new Error('there is a file already that is no trace');
  if (textAt(file, Math.max(0, size - traceEnd.length), traceEnd.length) === traceEnd) return;
  if (isWritten(start)) throw new Error('another process may still write its trace there');
}

function textAt(file: number, position: number, length: number): string {
  const bytes = Buffer.alloc(length);
  return bytes.toString('latin1', 0, readSync(file, bytes, 0, length, position));
}

/** False where it is seen that who wrote this is dead. */
function isWritten(start: string): boolean {
  try {
    const first = start.slice(2).split('\n', 1)[0].replace(/,$/, '');
    const { writer, started, place } = (JSON.parse(first) as { args: ReturnType<typeof traceWriter> }).args;
    return isAlive({ pid: writer, started: started || null, place, host: '' }) !== false;
  } catch {
    return true;
  }
}

/** Takes away a trace that is over, if there is one. */
function takeAway(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  try {
    closeSync(openReplaceable(path));
  } catch (error) {
    throw codeOf(error) === 'ENOENT' ? new Error('it is a link to nothing') : error;
  }
  rmSync(path);
}

function refusing<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw unwritable('trace', path, error, 'choose another place, or take away what is there');
  }
}
