/** Datasets: where samples come from, and what makes two of them the same. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dataError, quoted, suggestion, usageError } from '../errors.ts';
import { openSplitFiles, type SplitFiles } from './folder.ts';
import { idxDigest, maxSamples, readIdx, sampleBytes } from './idx.ts';
import { type KnownDataset, knownDatasets } from './known-datasets.ts';
import { shownPath, systemReason } from './regular-file.ts';
import { classCount } from './sample.ts';

/** They stand in a file of their own, which needs no files and runs in a browser. */
export { classCount, imageShape } from './sample.ts';

export type SplitName = 'train' | 'test';

/** SHA-256, in hex, of a split's uncompressed IDX files. */
export interface SplitDigests {
  readonly images: string;
  readonly labels: string;
}

export interface DatasetSource {
  /** `mnist`, `fashion-mnist`, the folder as it was given, or `memory`. */
  readonly name: string;
  /** Number of samples of each split, at least 1. */
  readonly samples: Readonly<Record<SplitName, number>>;
  /**
   * Reads one split into views that the caller owns (`samples * 784` and `samples` bytes; may lie in shared
   * memory; undefined after an error) and returns the digests of what was read. `images` is (samples, 28, 28)
   * row-major, bytes as in the file; `labels` is (samples) of 0 to 9. Throws a data error when a file is
   * broken, has changed since the dataset was opened, is not the known one, or has a label out of range.
   */
  load(split: SplitName, images: Uint8Array, labels: Uint8Array): Promise<SplitDigests>;
}

/** Samples in memory: `images` is (samples, 28, 28) row-major, `labels` is (samples) of 0 to 9. */
export interface MemorySplit {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/**
 * The identity of a dataset in a recipe: SHA-256, in hex, of the four raw 32-byte digests of train images,
 * train labels, test images, test labels. It depends on the content alone, not on paths or on compression.
 */
export function datasetId(train: SplitDigests, test: SplitDigests): string {
  const hash = createHash('sha256');
  for (const digest of [train.images, train.labels, test.images, test.labels]) {
    const raw = Buffer.from(digest, 'hex');
    assert.equal(raw.length, 32, 'a SHA-256 in hex');
    hash.update(raw);
  }
  return hash.digest('hex');
}

/** The name of the known dataset that has this identity; null if it is none of those whose contents are known. */
export function knownName(id: string, known: readonly KnownDataset[] = knownDatasets): string | null {
  const found = known.find(({ digests }) => digests && datasetId(digests.train, digests.test) === id);
  return found?.name ?? null;
}

/**
 * Opens a dataset by name, or the one in a folder of four IDX files, and checks headers and sizes; a known
 * name goes before a folder that is called the same. Throws a usage error when the name is unknown or the
 * folder is not there, and a data error when one of the files is missing or broken. `where` is what named it.
 */
export function openDataset(
  nameOrFolder: string,
  known: readonly KnownDataset[] = knownDatasets,
  where = '--data',
): DatasetSource {
  const named = known.find(({ name }) => name === nameOrFolder);
  const folder = named === undefined ? nameOrFolder : named.folder();
  const problem = folder === undefined ? 'its package is not installed' : folderProblem(folder);
  if (folder === undefined || problem !== undefined) {
    throw usageError(
      `${where}: got ${quoted(nameOrFolder)}, but ${problem}; ${advice(nameOrFolder, named, known)}`,
    );
  }
  const files = { train: openSplitFiles(folder, 'train'), test: openSplitFiles(folder, 't10k') };
  return {
    name: nameOrFolder,
    samples: { train: files.train.images.dims[0], test: files.test.images.dims[0] },
    async load(split, images, labels) {
      const digests = await readSplit(files[split], images, labels);
      if (named?.digests !== undefined) {
        checkDigests(files[split], digests, named.digests[split], named.remedy);
      }
      checkLabels(shownPath(files[split].labels.path), labels);
      return digests;
    },
  };
}

/**
 * A dataset of arrays, with the identity that IDX files of this content would have. The arrays stay the
 * caller's and are read at every `load`. Throws a usage error when a split is empty or too large, or when
 * lengths disagree.
 */
export function memoryDataset(splits: Readonly<Record<SplitName, MemorySplit>>): DatasetSource {
  for (const split of ['train', 'test'] as const) {
    const { images, labels } = splits[split];
    if (labels.length < 1 || labels.length > maxSamples) {
      throw usageError(`${split} labels in memory: got ${labels.length}, expected 1 to ${maxSamples}`);
    }
    const expected = labels.length * sampleBytes('images');
    if (images.length !== expected) {
      throw usageError(
        `${split} images in memory: got ${images.length} bytes, expected ${expected} ` +
          `for ${labels.length} labels`,
      );
    }
  }
  return {
    name: 'memory',
    samples: { train: splits.train.labels.length, test: splits.test.labels.length },
    async load(split, images, labels) {
      assert.equal(images.length, splits[split].images.length, 'images has the length of the split');
      assert.equal(labels.length, splits[split].labels.length, 'labels has the length of the split');
      images.set(splits[split].images);
      labels.set(splits[split].labels);
      checkLabels(`${split} labels in memory`, labels);
      return { images: idxDigest('images', images), labels: idxDigest('labels', labels) };
    },
  };
}

async function readSplit(files: SplitFiles, images: Uint8Array, labels: Uint8Array): Promise<SplitDigests> {
  return { images: await readIdx(files.images, images), labels: await readIdx(files.labels, labels) };
}

/** Why this is no folder to read from, or undefined when it is one. */
function folderProblem(folder: string): string | undefined {
  try {
    return statSync(folder).isDirectory() ? undefined : `${shownPath(folder)} is not a folder`;
  } catch (thrown) {
    const missing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
    return missing
      ? `there is no folder ${shownPath(folder)}`
      : `${shownPath(folder)} cannot be read (${systemReason(thrown)})`;
  }
}

function advice(given: string, named: KnownDataset | undefined, known: readonly KnownDataset[]): string {
  if (named !== undefined) return `expected its four IDX files; ${named.remedy}`;
  const names = known.map(({ name }) => name);
  const closest = /[/\\]/.test(given) ? '' : suggestion(given, names);
  return `expected ${names.join(', ')} or a folder with the four IDX files${closest}`;
}

function checkDigests(files: SplitFiles, got: SplitDigests, expected: SplitDigests, remedy: string): void {
  for (const kind of ['images', 'labels'] as const) {
    if (got[kind] !== expected[kind]) {
      throw dataError(
        `${shownPath(files[kind].path)}: SHA-256: got ${got[kind]}, expected ${expected[kind]}; ${remedy}`,
      );
    }
  }
}

function checkLabels(where: string, labels: Uint8Array): void {
  const index = labels.findIndex((label) => label >= classCount);
  if (index >= 0) {
    throw dataError(
      `${where}: label ${index}: got ${labels[index]}, expected 0 to ${classCount - 1}; ` +
        `use data of ${classCount} classes`,
    );
  }
}
