/** The files of a dataset's split in a folder, under the names that MNIST and its successors use. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dataError } from '../errors.ts';
import { type IdxFile, type IdxKind, openIdx } from './idx.ts';
import { shownPath } from './regular-file.ts';

/** The images and the labels of one split; as many of the ones as of the others. */
export interface SplitFiles {
  readonly images: IdxFile;
  readonly labels: IdxFile;
}

/**
 * Finds and opens the two IDX files of a split in an existing folder. Names tried, in this order:
 * `train-images-idx3-ubyte`, `train-images.idx3-ubyte`, then both with `.gz`; likewise for labels and `t10k`.
 * Throws a data error when a file is missing or broken, or when the two disagree about the number of samples.
 */
export function openSplitFiles(folder: string, prefix: 'train' | 't10k'): SplitFiles {
  const images = openIdx(findFile(folder, prefix, 'images'), 'images');
  const labels = openIdx(findFile(folder, prefix, 'labels'), 'labels');
  if (labels.dims[0] !== images.dims[0]) {
    throw dataError(
      `${shownPath(labels.path)}: got ${labels.dims[0]} labels, expected ${images.dims[0]}, ` +
        `one for each image of ${shownPath(images.path)}; use files that belong together`,
    );
  }
  return { images, labels };
}

function findFile(folder: string, prefix: string, kind: IdxKind): string {
  const dimensions = kind === 'images' ? 'idx3' : 'idx1';
  const plain = [`${prefix}-${kind}-${dimensions}-ubyte`, `${prefix}-${kind}.${dimensions}-ubyte`];
  const names = [...plain, ...plain.map((name) => `${name}.gz`)];
  const found = names.find((name) => existsSync(join(folder, name)));
  if (found === undefined) {
    throw dataError(
      `${shownPath(folder)}: no file of ${kind} for the ${prefix} split, ` +
        `expected one of ${names.join(', ')}; put one of them there`,
    );
  }
  return join(folder, found);
}
