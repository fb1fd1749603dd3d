/** Brings a data set into a memory that was planned for it. */
import {
  type DatasetSource,
  datasetId,
  imageShape,
  type SplitDigests,
  type SplitName,
} from './data/dataset.ts';
import type { SharedMemory } from './kernels/webassembly.ts';
import { featureCount } from './model/layer.ts';
import type { MemoryPlan, SplitPlace } from './model/memory-plan.ts';
import type { Pieces } from './pieces.ts';

/** Reads both splits into the memory and returns the identity of the data. @throws LockstepError (DATA) */
export async function loadDataset(
  source: DatasetSource,
  plan: MemoryPlan,
  memory: SharedMemory,
): Promise<string> {
  const train = await loadSplit(source, 'train', plan.train, memory);
  return datasetId(train, await loadSplit(source, 'test', plan.test, memory));
}

/** Reads one split to its place in a memory. @throws LockstepError (DATA) */
export function loadSplit(
  source: DatasetSource,
  split: SplitName,
  place: SplitPlace,
  memory: SharedMemory,
): Promise<SplitDigests> {
  const { images, labels } = splitViews(place, memory);
  return source.load(split, images, labels);
}

/** Views of a split in memory, bytes: images (samples, 28, 28) and labels (samples). */
export function splitViews(
  place: SplitPlace,
  memory: SharedMemory,
): { images: Uint8Array; labels: Uint8Array } {
  return {
    images: new Uint8Array(memory.buffer, place.images, place.samples * featureCount(imageShape)),
    labels: new Uint8Array(memory.buffer, place.labels, place.samples),
  };
}

/** The data set in memory as one run of bytes: training images and labels, test images and labels. */
export function datasetPieces(plan: MemoryPlan, memory: SharedMemory): Pieces {
  return [plan.train, plan.test].flatMap((split) => {
    const { images, labels } = splitViews(split, memory);
    return [images, labels];
  });
}
