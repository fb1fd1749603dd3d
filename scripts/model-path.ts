/** Where a model is: the file that was named, or the one in the run folder that was named. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newestCheckpoint } from '../coordinator/checkpoints.ts';
import { shownPath } from '../shared/data/regular-file.ts';
import { usageError } from '../shared/errors.ts';

/**
 * A run folder stands for its finished model or, while it has none, for its newest valid checkpoint.
 * @param where what the path was given as, for messages: `evaluate`, `--init`
 * @throws LockstepError (USAGE) when there is nothing of that name, or a folder without a model
 */
export function modelPath(path: string, where: string): string {
  if (!isFolder(path)) {
    if (existsSync(path)) return path;
    throw usageError(`${where}: there is no ${shownPath(path)}, expected a safetensors file or a run folder`);
  }
  const file = join(path, 'model.safetensors');
  if (existsSync(file)) return file;
  const newest = newestCheckpoint(join(path, 'checkpoints')).found;
  if (newest !== null) return newest.path;
  throw usageError(
    `${where}: the folder ${shownPath(path)} has neither a model.safetensors nor a valid checkpoint, expected the folder of a run`,
  );
}

export function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false; // what lies below a file, for example
  }
}
