/** Reading of images to predict, as a library function. */
import { quoted, usageError } from '../shared/errors.ts';
import { type Fit, fits } from '../shared/images/digit.ts';
import { readFirst } from './images/read-images.ts';
import { checkChoice, checkCount, checkOptions } from './options.ts';

export interface ReadImagesOptions {
  /** How an image that is not 28×28 is brought there: `digit` (the default) centres what is drawn, `whole` does not. */
  readonly fit?: Fit;
  /** Read at most so many images of the file, at least 1. */
  readonly first?: number;
}

/**
 * Reads images to predict: a PNG of any size, an IDX file (plain or gzip), or raw bytes.
 * @returns (count, 28, 28) bytes, bright on dark, as `predict` takes them
 * @throws LockstepError (USAGE) when there is no such file, (DATA) when it is none of these kinds or broken
 */
export async function readImages(path: string, options: ReadImagesOptions = {}): Promise<Uint8Array> {
  if (typeof path !== 'string') throw usageError(`readImages: got ${quoted(String(path))}, expected a path`);
  checkOptions(options, { fit: 'text', first: 'any' }, 'readImages');
  const { fit = 'digit', first = Number.MAX_SAFE_INTEGER } = options;
  checkChoice(fit, fits, 'readImages: fit');
  checkCount(first, 'readImages: first', 1);
  return (await readFirst(path, first, fit, 'readImages')).samples;
}
