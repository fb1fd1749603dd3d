/** A finished model over a memory of its own, to evaluate and to predict with on the calling thread. */

import type { Scale } from '../shared/data/scale.ts';
import { instantiateKernels, type LoadedKernels } from '../shared/kernels/load.ts';
import { restoreSnapshot, type Snapshot } from '../shared/model/snapshot.ts';
import { Predictor } from '../shared/predictor.ts';

export class Inference extends Predictor {
  /** @param samples the most samples that are looked at in one go */
  constructor(
    model: { readonly text: string; readonly scale: Scale; readonly snapshot: Snapshot },
    kernels: LoadedKernels,
    samples: number,
  ) {
    super(model, (memory) => instantiateKernels(kernels, memory), samples);
    restoreSnapshot(this.architecture, model.snapshot, this.flat);
  }
}
