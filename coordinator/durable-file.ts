/** Files that are there whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';

/**
 * Writes parts one behind the other to a temporary file beside the target, makes it durable, and renames it.
 * The folder is made if it is not there.
 * @throws LockstepError (OUTPUT); nothing is left behind then, and a file that was there is unchanged
 */
export function writeDurably(path: string, parts: readonly (Uint8Array | string)[]): void {
  const temporary = temporaryName(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(temporary, 'wx');
    try {
      for (const part of parts) writeWhole(file, typeof part === 'string' ? Buffer.from(part) : part);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unwritable(path, error);
  }
}

/**
 * Finds out before hours of training whether a file can be written in the end; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkWritable(path: string): void {
  const temporary = temporaryName(path);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error('it is a folder');
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(temporary, 'wx'));
    rmSync(temporary);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Makes the new name itself durable; not every system can, and there renaming has to do. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
}

function unwritable(path: string, cause: unknown): LockstepError {
  return new LockstepError(
    'OUTPUT',
    `cannot write ${shownPath(path)} (${systemReason(cause)}); choose a place that can be written to`,
    { cause },
  );
}
