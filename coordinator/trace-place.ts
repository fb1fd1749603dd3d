/** Where a trace goes: only a trace that nobody writes any more makes room for another, and no two processes take one file. */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { LockstepError } from '../shared/errors.ts';
import { checkWritable, codeOf, makeFolders, temporaryName } from './durable-file.ts';
import { isAlive, thisProcess } from './process-identity.ts';
import { unwritable } from './run-file.ts';

/** How every trace begins; its first event says who writes it. */
const traceStart = '[\n{"ph":"M","pid":';
/** How one ends that was ended. */
export const traceEnd = '\n]\n';
/** The first event, with the name of its process, is not longer. */
const startBytes = 4096;
/** Attempts where others come and go at the same name. */
const mostAttempts = 8;

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
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      try {
        return openSync(target, 'wx');
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      takeAway(target);
    }
    throw new Error('others take the same file');
  });
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
  const { size } = fstatSync(file);
  if (size === 0) return;
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

/**
 * Takes away a trace that is over. Between a look at it and its end another process may have put its own there, so
 * it first gets a name that nobody else has; what then is another file, or is written to after all, is put back.
 */
function takeAway(path: string): void {
  let file: number;
  try {
    file = openReplaceable(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
    throw new Error('it is a link to nothing');
  }
  try {
    const aside = temporaryName(path);
    renameSync(path, aside);
    try {
      const [looked, moved] = [fstatSync(file), lstatSync(aside)];
      if (looked.ino !== moved.ino || looked.dev !== moved.dev) {
        throw new Error('another process has just begun a trace there');
      }
      checkReplaceable(file);
    } catch (error) {
      linkSync(aside, path);
      throw error;
    } finally {
      rmSync(aside);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error; // somebody else took it away
  } finally {
    closeSync(file);
  }
}

function refusing<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw unwritable('trace', path, error, 'choose another place, or take away what is there');
  }
}
