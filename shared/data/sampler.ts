/** Which samples an epoch has, in which order. */
import { shuffle, streamKey, streams } from '../random.ts';

/** The sample numbers of a random subset drawn by the seed, in ascending order; all of them if count = total. */
export function drawSubset(total: number, count: number, seed: number): Uint32Array {
  const all = Uint32Array.from({ length: total }, (_, sample) => sample);
  if (count === total) return all;
  shuffle(all, streamKey(seed, streams.subset, 0));
  return all.slice(0, count).sort();
}

/** Writes the order of one epoch (counted from 1) into `order`: the samples, shuffled with a key of (seed, epoch). */
export function drawOrder(order: Uint32Array, samples: Uint32Array, seed: number, epoch: number): void {
  order.set(samples);
  shuffle(order, streamKey(seed, streams.shuffle, epoch));
}
