import { type Kernels, panelWidth } from '../kernels.ts';
import type { SharedMemory } from '../webassembly.ts';
import { activations } from './activations.ts';
import { f, fma } from './arithmetic.ts';
import { data } from './data.ts';
import { loss } from './loss.ts';
import { Views } from './memory.ts';
import { merging } from './merging.ts';
import { normalisation } from './normalisation.ts';
import { products } from './products.ts';
import { random } from './random.ts';
import { update } from './update.ts';

/**
 * The slow twin of every kernel: plain loops over the same memory, one value at a time, written to be read.
 * The fast kernels must give its bits.
 */
export function twinKernels(memory: SharedMemory): Kernels {
  const views = new Views(memory.buffer);
  return {
    ...products(views),
    ...merging(views),
    ...normalisation(views),
    ...activations(views),
    ...loss(views),
    ...update(views),
    ...data(views),
    ...random(views),
    multiplyAdd(a, b, c, out, count) {
      for (let i = 0; i < 4 * count; i += 4) {
        views.set(out + i, f(fma(views.get(a + i), views.get(b + i), views.get(c + i))));
      }
    },
    // Its result is speed, which the twin has none of.
    peak(_rounds, out) {
      views.floats.fill(0, out / 4, out / 4 + panelWidth);
      return 0;
    },
  };
}
