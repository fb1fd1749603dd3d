/** A finished model over a memory of its own, to evaluate and to predict with on the calling thread. */

import { classCount, imageShape } from '../shared/data/dataset.ts';
import { fillScaleTable, type Scale } from '../shared/data/scale.ts';
import { usageError } from '../shared/errors.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import { featureCount } from '../shared/model/layer.ts';
import { evaluationShard, type MemoryPlan, newMemory } from '../shared/model/memory-plan.ts';
import { restoreSnapshot, type Snapshot } from '../shared/model/snapshot.ts';
import { planSetup, type Setup, Training } from '../shared/training.ts';

export interface Prediction {
  /** The class with the largest probability, the first of several. */
  readonly label: number;
  /** By class. */
  readonly probabilities: readonly number[];
}

export class Inference {
  readonly plan: MemoryPlan;
  readonly memory: SharedMemory;
  readonly #training: Training;

  /** @param samples the most samples that are looked at in one go */
  constructor(
    model: { readonly text: string; readonly scale: Scale; readonly snapshot: Snapshot },
    kernels: LoadedKernels,
    samples: number,
  ) {
    const setup: Setup = {
      input: imageShape,
      classes: classCount,
      model: model.text,
      optimizer: 'sgd',
      batchNorm: 'sync',
      sizes: {
        samples: { train: 0, test: samples },
        epochSamples: 0,
        batchSize: 1,
        shardSize: 1,
        threads: 1,
      },
    };
    const { architecture, plan } = planSetup(setup);
    this.plan = plan;
    this.memory = newMemory(plan);
    this.#training = new Training(setup, kernels, this.memory, 0, 1);
    fillScaleTable(new Float32Array(this.memory.buffer, plan.scaleTable, 256), model.scale);
    const flat = new Float32Array(this.memory.buffer, plan.replicas[0].flat, architecture.flatSize);
    restoreSnapshot(architecture, model.snapshot, flat);
  }

  /** Evaluates the samples that lie in the memory's test split; read the result with `readEvaluation`. */
  evaluate(): void {
    this.#training.evaluate('test', 0, () => {});
  }

  /**
   * Predicts images of (28, 28) bytes, one behind the other, bright digits on a dark ground.
   * @throws LockstepError (USAGE) when the length is no multiple of 784
   */
  predict(images: Uint8Array): Prediction[] {
    const pixels = featureCount(imageShape);
    if (images.length % pixels !== 0) {
      throw usageError(
        `images: got ${images.length} bytes, expected a multiple of ${pixels} (28 × 28 bytes an image)`,
      );
    }
    const { images: place, samples } = this.plan.test;
    const room = new Uint8Array(this.memory.buffer, place, samples * pixels);
    const predictions: Prediction[] = [];
    for (let at = 0; at < images.length; at += evaluationShard * pixels) {
      const part = images.subarray(at, at + Math.min(evaluationShard, samples) * pixels);
      room.set(part);
      const { plan } = this;
      const { flat } = plan.replicas[0];
      this.#training.model.evaluate(flat, { ...plan.test, samples: part.length / pixels }, 0);
      const labels = new Uint8Array(this.memory.buffer, this.plan.predictions, part.length / pixels);
      const rows = this.#training.model.probabilities(0, labels.length);
      for (const [i, label] of labels.entries())
        predictions.push({ label, probabilities: Array.from(rows[i]) });
    }
    return predictions;
  }
}
