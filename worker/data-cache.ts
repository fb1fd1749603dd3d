/** Data sets that came from coordinators: a folder of four IDX files each, by the identity of what is in it. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SplitName } from '../shared/data/dataset.ts';
import { idxHeader } from '../shared/data/idx.ts';

/** Views of a split: images (samples, 28, 28) and labels (samples), bytes. */
export interface SplitViews {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** What is unfinished for so long was left behind by somebody who was killed. */
const staleMs = 24 * 3_600_000;

/** The folder of a data set in the cache; null where it is not there. */
export function keptData(cache: string, dataset: string): string | null {
  const folder = join(cache, dataset);
  return existsSync(folder) ? folder : null;
}

/**
 * Keeps a data set; its folder appears when it is whole, and takes the place of one that was there. What others left
 * behind half-written is cleared away.
 * @throws Error of the system; nothing is left behind then
 */
export function keepData(
  cache: string,
  dataset: string,
  splits: Readonly<Record<SplitName, SplitViews>>,
  nowMs: number,
): void {
  const folder = join(cache, dataset);
  // Not the process's number: in a container the next one has the same.
  const temporary = join(cache, `.${dataset}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    mkdirSync(temporary, { recursive: true });
    for (const [split, prefix] of [
      ['train', 'train'],
      ['test', 't10k'],
    ] as const) {
      const { images, labels } = splits[split];
      const write = (name: string, header: Uint8Array, bytes: Uint8Array) =>
        writeFileSync(join(temporary, `${prefix}-${name}-ubyte`), Buffer.concat([header, bytes]));
      write('images-idx3', idxHeader('images', labels.length), images);
      write('labels-idx1', idxHeader('labels', labels.length), labels);
    }
    rmSync(folder, { recursive: true, force: true }); // what is there was not the data
    renameSync(temporary, folder);
    clearStale(cache, nowMs);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary, { recursive: true, force: true });
    // Another worker of this machine may have kept it in the same moment.
    if (!existsSync(folder)) throw error;
  }
}

function clearStale(cache: string, nowMs: number): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    const isTemporary = /^\.[0-9a-f]{64}\.[0-9a-f]{8}\.tmp$/.test(name);
    const changedMs = isTemporary ? statSync(path, { throwIfNoEntry: false })?.mtimeMs : undefined;
    if (changedMs !== undefined && nowMs - changedMs > staleMs)
      rmSync(path, { recursive: true, force: true });
  }
}
