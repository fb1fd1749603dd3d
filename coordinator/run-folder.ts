/** The folder of a run: the resolved recipe, the log, the model. Readable without us. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { shownPath, systemReason } from '../shared/data/regular-file.ts';
import { LockstepError, usageError } from '../shared/errors.ts';

/** `runs/2026-11-23-mnist-1a2b3c4d`, with `-2`, `-3` … behind it if it is used. */
export function defaultRunFolder(recipeName: string, recipeId: string, today: Date): string {
  const base = join('runs', `${today.toISOString().slice(0, 10)}-${recipeName}-${recipeId.slice(0, 8)}`);
  for (let n = 1; ; n++) {
    const folder = n === 1 ? base : `${base}-${n}`;
    if (isUnused(folder)) return folder;
  }
}

/**
 * Makes a run's folder.
 * @throws LockstepError (USAGE) when it is used, (OUTPUT) when it cannot be made
 */
export function makeRunFolder(folder: string, label: string): void {
  if (!isUnused(folder)) {
    throw usageError(
      `${label}: ${shownPath(folder)} is used already, expected a new or an empty folder; choose another`,
    );
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new LockstepError('OUTPUT', `${label}: cannot make ${shownPath(folder)} (${systemReason(error)})`, {
      cause: error,
    });
  }
}

function isUnused(folder: string): boolean {
  const status = statSync(folder, { throwIfNoEntry: false });
  return status === undefined || (status.isDirectory() && readdirSync(folder).length === 0);
}
