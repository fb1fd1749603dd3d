/** The folder of a run: the resolved recipe, the log, the model. Readable without us. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError, usageError } from '../shared/errors.ts';
import { codeOf, makeFolders, removeFolders, targetOfTemporary } from './durable-file.ts';
import { isClaim } from './run-lock.ts';

const remedy = 'choose another with --run DIR, or --no-run';
/** Names of files and folders have at most 255 bytes. */
const longestName = 100;

/**
 * Makes a run's folder, and returns its name.
 * @throws LockstepError (USAGE) when it is used, (OUTPUT) when it cannot be made
 */
export function makeRunFolder(folder: string, label: string): string {
  return attempt(folder, label, () => {
    if (!isUnused(folder)) throw used(folder, label);
    makeFolders(folder);
    return folder;
  });
}

/**
 * Finds out beforehand whether a run's folder can be made; leaves nothing behind.
 * @throws LockstepError as {@link makeRunFolder}
 */
export function checkRunFolder(folder: string, label: string): void {
  attempt(folder, label, () => {
    if (!isUnused(folder)) throw used(folder, label);
    removeFolders(makeFolders(folder));
  });
}

/** `runs/2026-11-23-mnist-1a2b3c4d`, with the local date. */
export function defaultRunFolder(recipeName: string, recipeId: string, today: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = `${today.getFullYear()}-${two(today.getMonth() + 1)}-${two(today.getDate())}`;
  return join('runs', `${date}-${recipeName.slice(0, longestName)}-${recipeId.slice(0, 8)}`);
}

/**
 * Makes a folder of this name, with `-2`, `-3` … behind it if that is used, and returns the name. Of two runs that
 * begin at the same moment each gets a folder of its own.
 * @throws LockstepError (OUTPUT)
 */
export function makeNumberedRunFolder(base: string, label: string): string {
  return attempt(base, label, () => {
    makeFolders(dirname(base));
    for (let n = 1; ; n++) {
      const folder = n === 1 ? base : `${base}-${n}`;
      try {
        mkdirSync(folder);
        return folder;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
    }
  });
}

/**
 * Finds out beforehand whether a folder of its own can be made for a run; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkNumberedRunFolder(label: string): void {
  attempt('runs', label, () => removeFolders(makeFolders(join('runs', `.${process.pid}`))));
}

function isUnused(folder: string): boolean {
  const status = statSync(folder, { throwIfNoEntry: false });
  if (status === undefined) return true;
  // A process that was killed before its run began left its claim, or half of one; whether it lives is the lock's to say.
  return (
    status.isDirectory() && readdirSync(folder).every((name) => isClaim(targetOfTemporary(name) ?? name))
  );
}

function used(folder: string, label: string): LockstepError {
  return usageError(
    `${label}: ${shownPath(folder)} is used already, expected a new or an empty folder; ${remedy}`,
  );
}

function attempt<T>(folder: string, label: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw new LockstepError(
      'OUTPUT',
      `${label}: cannot make ${shownPath(folder)} (${systemReason(error)}); ${remedy}`,
      { cause: error },
    );
  }
}
