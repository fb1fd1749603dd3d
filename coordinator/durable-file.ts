/** Files that are there whole or not at all. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';

/**
 * Writes parts one behind the other to a temporary file beside the target, makes it durable, and renames it.
 * The folder is made if it is not there; a symbolic link is followed.
 * @param mode who may read it from its first byte on, before the process's umask
 * @throws LockstepError (OUTPUT); nothing is left behind then, and a file that was there is unchanged
 */
export function writeDurably(path: string, parts: readonly (Uint8Array | string)[], mode = 0o666): void {
  withTemporary(path, mode, (file, temporary, target) => {
    try {
      for (const part of parts) writeWhole(file, typeof part === 'string' ? Buffer.from(part) : part);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
    syncFolder(dirname(target));
  });
}

/**
 * Finds out before hours of training whether a file can be written in the end; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkWritable(path: string): void {
  const made = withTemporary(path, 0o666, (file, temporary) => {
    closeSync(file);
    rmSync(temporary);
  });
  removeFolders(made);
}

/**
 * Makes a folder and what is missing above it, and returns all that was made, the outermost first. (Node's own
 * `recursive` never returns for a folder in /proc.) What was made is taken away again when the rest fails.
 */
export function makeFolders(folder: string): string[] {
  const missing: string[] = [];
  for (let at = resolve(folder); !existsSync(at); at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  try {
    for (const at of missing) {
      if (makeOne(at)) made.push(at);
    }
  } catch (error) {
    removeFolders(made);
    throw error;
  }
  return made;
}

/** False when somebody else made it in the meantime. */
function makeOne(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Takes away folders that `makeFolders` made, as long as nobody has put anything into them. */
export function removeFolders(made: readonly string[]): void {
  for (const folder of made.toReversed()) {
    try {
      rmdirSync(folder);
    } catch {
      return; // in use by somebody else, and then so are those above it
    }
  }
}

/** Writes all bytes, where the file stands or from a position on; a single call may write fewer. */
export function writeWhole(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(file, bytes, at, bytes.length - at, position === null ? null : position + at);
  }
}

/**
 * A hidden name beside the target, another one each time. It does not have the process's number: in a container the
 * next one has the same, and may find what a killed one left.
 */
export function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.tmp`);
}

/** The name of the file that a temporary one was to become, or null for any other name. */
export function targetOfTemporary(name: string): string | null {
  return /^\.(.+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1] ?? null;
}

/** Opens a new file beside the target for a task; returns the folders that were made for it. */
function withTemporary(
  path: string,
  mode: number,
  task: (file: number, temporary: string, target: string) => void,
): string[] {
  let made: string[] = [];
  let temporary: string | undefined;
  try {
    const target = checkedTarget(path);
    made = makeFolders(dirname(target));
    const name = temporaryName(target);
    const file = openSync(name, 'wx', mode);
    temporary = name;
    task(file, temporary, target);
    return made;
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true });
    removeFolders(made);
    throw unwritable(path, error);
  }
}

/** Renaming would replace a device like /dev/null by a file. */
function checkedTarget(path: string): string {
  if (/[/\\]$/.test(path)) throw new Error('it is the name of a folder');
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return path;
  if (status.isDirectory()) throw new Error('it is a folder');
  if (!status.isFile()) throw new Error('it is not a regular file');
  return realpathSync(path);
}

/** Makes the new name itself durable; not every system can, and there renaming has to do. */
export function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (!isUnsyncable(error)) throw error;
  }
}

/** True if an error only means that here no folder can be made durable. */
export function isUnsyncable(error: unknown): boolean {
  if (process.platform === 'win32') return true;
  return ['EACCES', 'EINVAL', 'ENOTSUP', 'EPERM'].includes(codeOf(error) ?? '');
}

/** `ENOENT` and the like, of a system call that failed. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function unwritable(path: string, cause: unknown): LockstepError {
  return new LockstepError(
    'OUTPUT',
    `cannot write ${shownPath(path)} (${systemReason(cause)}); choose a place that can be written to`,
    { cause },
  );
}
