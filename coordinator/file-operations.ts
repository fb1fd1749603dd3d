/** Durable writing beside training. What is done to files comes in from outside, so that tests can record and cut it. */
import { dirname } from 'node:path';
import { codeOf, isUnsyncable, temporaryName } from './durable-file.ts';

/** A file that is open. */
export interface OpenFile {
  /** Writes as many of the bytes as the system takes. */
  writev(parts: readonly Uint8Array[]): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A part of node:fs/promises. */
export interface FileOperations {
  open(path: string, flags: 'r' | 'wx'): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(folder: string): Promise<string[]>;
}

/**
 * Writes parts one behind the other as `writeDurably` does, in a folder that is there, without holding anything up:
 * a temporary file, made durable, renamed, and its name made durable.
 * @throws what the system says; a file that was there is whole then, the old one or the new one
 */
export async function writeBeside(
  files: FileOperations,
  path: string,
  parts: readonly Uint8Array[],
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await withFile(files, temporary, 'wx', async (file) => {
      await writeAll(file, parts);
      await file.sync();
    });
    await files.rename(temporary, path);
  } catch (error) {
    // What went wrong first is what has to be said; what is left is cleared with the next checkpoint.
    await remove(files, temporary).catch(() => undefined);
    throw error;
  }
  try {
    await withFile(files, dirname(path), 'r', (folder) => folder.sync());
  } catch (error) {
    if (!isUnsyncable(error)) throw error;
  }
}

/** Removes a file, which need not be there. */
export async function remove(files: FileOperations, path: string): Promise<void> {
  try {
    await files.unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

async function withFile(
  files: FileOperations,
  path: string,
  flags: 'r' | 'wx',
  task: (file: OpenFile) => Promise<void>,
): Promise<void> {
  const file = await files.open(path, flags);
  try {
    await task(file);
  } finally {
    await file.close();
  }
}

/** Writes all parts; a single call may write fewer bytes than they have. */
async function writeAll(file: OpenFile, parts: readonly Uint8Array[]): Promise<void> {
  let rest = parts.filter(({ length }) => length > 0);
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest);
    if (bytesWritten <= 0) throw new Error('the system takes no bytes');
    rest = behind(rest, bytesWritten);
  }
}

/** The parts without their first `count` bytes. */
function behind(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  return parts.flatMap((part) => {
    const skipped = Math.min(left, part.length);
    left -= skipped;
    return skipped < part.length ? [part.subarray(skipped)] : [];
  });
}
