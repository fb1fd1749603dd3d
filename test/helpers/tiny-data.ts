/** Data folders so small that a training on them takes no time, and a recipe to go with them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type IdxKind, idxHeader } from '../../shared/data/idx.ts';
import { lockstep } from './cli.ts';
import { randomNumbers } from './reference/random-data.ts';

/** Flags of a recipe with every kind of tensor; 60 samples are 3 steps of 16 and one of 12. */
export const tinyRecipe = [
  ...['--model', 'dense(4) batchnorm relu dense(10)', '--batch-size', '16', '--epochs', '1'],
  ...['--threads', '1'],
] as const;

/** Trains the tiny recipe on a tiny data folder and writes the model. */
export async function trainTiny(data: string, model: string): Promise<void> {
  const args = ['train', ...tinyRecipe, '--data', data, '--no-run', '--out', model];
  const { code, stderr } = await lockstep(args, { cwd: dirname(model) });
  if (code !== 0) throw new Error(stderr);
}

export const tinyTrain = 60;
export const tinyTest = 20;

export const idxNames = {
  trainImages: 'train-images-idx3-ubyte',
  trainLabels: 'train-labels-idx1-ubyte',
  testImages: 't10k-images-idx3-ubyte',
  testLabels: 't10k-labels-idx1-ubyte',
} as const;

/** Writes a data folder of 60 and 20 samples, learnable: the brightest row tells the label. */
export function writeTinyData(folder: string, seed = 20261123): string {
  mkdirSync(folder, { recursive: true });
  const random = randomNumbers(seed);
  const split = (samples: number, images: string, labels: string) => {
    const { pixels, digits } = tinyPixels(samples, random);
    writeFileSync(join(folder, images), idxFile('images', pixels));
    writeFileSync(join(folder, labels), idxFile('labels', digits));
  };
  split(tinyTrain, idxNames.trainImages, idxNames.trainLabels);
  split(tinyTest, idxNames.testImages, idxNames.testLabels);
  return folder;
}

/** The next samples of that data. */
export function tinyPixels(samples: number, random = randomNumbers(20261123)) {
  const pixels = new Uint8Array(samples * 784);
  const digits = Uint8Array.from({ length: samples }, (_, i) => i % 10);
  for (let i = 0; i < pixels.length; i++) pixels[i] = 40 + 40 * random();
  for (const [i, digit] of digits.entries())
    pixels.fill(220, i * 784 + digit * 56, i * 784 + digit * 56 + 56);
  return { pixels, digits };
}

/** An IDX file's bytes. */
export function idxFile(kind: IdxKind, payload: Uint8Array): Buffer {
  return Buffer.concat([idxHeader(kind, kind === 'images' ? payload.length / 784 : payload.length), payload]);
}

/** Writes one byte over another. */
export const patched =
  (position: number, byte: number) =>
  (old: Buffer): Buffer => {
    old[position] = byte;
    return old;
  };
