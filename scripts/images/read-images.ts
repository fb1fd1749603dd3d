/** Images to predict: PNG, IDX (plain or gzip), or raw bytes, told apart by what is in the file. */
import { closeSync, existsSync } from 'node:fs';
import { imageShape } from '../../shared/data/dataset.ts';
import { isGzip } from '../../shared/data/gzip.ts';
import { isIdx, openIdx, readFirstSamples } from '../../shared/data/idx.ts';
import { openRegularFile, readStart, shownPath } from '../../shared/data/regular-file.ts';
import { dataError, usageError } from '../../shared/errors.ts';
import { type Fit, toSample } from '../../shared/images/digit.ts';
import { featureCount } from '../../shared/model/layer.ts';
import { decodePng, isPng } from './png.ts';

const pixels = featureCount(imageShape);
/** Larger than any PNG or list of raw images that is meant to be looked at; IDX files are read piece by piece. */
const largestFile = 2 ** 28;

export interface Images {
  /** (count, 28, 28) bytes, bright on dark. */
  readonly samples: Uint8Array;
  /** How many the file has; `samples` may have fewer. */
  readonly available: number;
}

/**
 * Reads the first images of a file, at most `count`.
 * @param where what the path was given to, for messages
 * @throws LockstepError (USAGE) when there is no such file, (DATA) when it is none of these kinds or broken
 */
export async function readFirst(path: string, count: number, fit: Fit, where: string): Promise<Images> {
  if (!existsSync(path)) {
    throw usageError(
      `${where}: there is no ${shownPath(path)}, expected a PNG, an IDX file or raw images of 28×28 bytes`,
    );
  }
  const file = openRegularFile(path);
  try {
    const start = readStart(file, 8);
    if (isGzip(start) || isIdx(start)) {
      const idx = openIdx(path, 'images');
      return { samples: await readFirstSamples(idx, count), available: idx.dims[0] };
    }
    if (file.sizeBytes > largestFile) {
      throw dataError(
        `${shownPath(path)}: has ${file.sizeBytes} bytes, expected an image of at most ${largestFile}`,
      );
    }
    if (isPng(start)) {
      const image = await decodePng(readStart(file, file.sizeBytes), shownPath(path));
      return { samples: toSample(image, fit), available: 1 };
    }
    if (file.sizeBytes === 0 || file.sizeBytes % pixels !== 0) {
      throw dataError(
        `${shownPath(path)}: got ${file.sizeBytes} bytes that are neither PNG nor IDX, expected those or raw images of ` +
          `${pixels} bytes (28×28) each; convert it to PNG`,
      );
    }
    return {
      samples: readStart(file, Math.min(count * pixels, file.sizeBytes)),
      available: file.sizeBytes / pixels,
    };
  } finally {
    closeSync(file.fd);
  }
}
