/** Where a model is: the file that was named, or the one in the run folder that was named. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { shownPath } from '../../shared/data/regular-file.ts';
import { usageError } from '../../shared/errors.ts';

/**
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
  throw usageError(
    `${where}: the folder ${shownPath(path)} has no model.safetensors, expected the folder of a run that was finished`,
  );
}

export function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false; // what lies below a file, for example
  }
}
