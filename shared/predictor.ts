/** A model over a memory of its own, to predict with on the calling thread, in Node or in a browser. */

import { classCount, imageShape } from './data/sample.ts';
import { fillScaleTable, type Scale } from './data/scale.ts';
import { usageError } from './errors.ts';
import type { Kernels } from './kernels/kernels.ts';
import type { SharedMemory } from './kernels/webassembly.ts';
import { type Architecture, parseArchitecture } from './model/architecture.ts';
import { featureCount } from './model/layer.ts';
import { evaluationShard, type MemoryPlan, newMemory, planMemory } from './model/memory-plan.ts';
import { Model } from './model/model.ts';
import { NonFinite } from './model/non-finite.ts';

export interface Prediction {
  /** The class with the largest probability, the first of several. */
  readonly label: number;
  /** By class. */
  readonly probabilities: readonly number[];
}

export class Predictor {
  readonly architecture: Architecture;
  readonly plan: MemoryPlan;
  readonly memory: SharedMemory;
  readonly #model: Model;

  /**
   * @param bind gives the kernels over a memory
   * @param samples the most samples that are looked at in one go
   * @throws LockstepError (USAGE) when the model's text is none, or it would not fit in the memory
   */
  constructor(
    model: { readonly text: string; readonly scale: Scale },
    bind: (memory: SharedMemory) => Kernels,
    samples: number,
  ) {
    this.architecture = parseArchitecture(model.text, imageShape, classCount, 'model');
    this.plan = planMemory(this.architecture, {
      samples: { train: 0, test: samples },
      epochSamples: 0,
      batchSize: 1,
      shardSize: 1,
      threads: 1,
    });
    this.memory = newMemory(this.plan);
    const { plan, memory, architecture } = this;
    this.#model = new Model(
      { architecture, optimizer: 'sgd', batchNorm: 'sync' },
      { plan, memory, kernels: bind(memory), nonFinite: new NonFinite(memory, plan.nonFinite) },
      0,
      1,
    );
    fillScaleTable(new Float32Array(memory.buffer, plan.scaleTable, 256), model.scale);
  }

  /** The model's flat vector, zeros at first: what is written there is predicted with. */
  get flat(): Float32Array {
    return new Float32Array(this.memory.buffer, this.plan.replicas[0].flat, this.architecture.flatSize);
  }

  /** Evaluates the samples that lie in the memory's test split; read the result with `readEvaluation`. */
  evaluate(): void {
    const { replicas, test } = this.plan;
    for (let shard = 0; shard * evaluationShard < test.samples; shard++) {
      this.#model.evaluate(replicas[0].flat, test, shard);
    }
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
    const { plan } = this;
    const { images: place, samples } = plan.test;
    const room = new Uint8Array(this.memory.buffer, place, samples * pixels);
    const predictions: Prediction[] = [];
    const partBytes = Math.min(evaluationShard, samples) * pixels;
    for (let at = 0; at < images.length; at += partBytes) {
      const part = images.subarray(at, at + partBytes);
      room.set(part);
      this.#model.evaluate(plan.replicas[0].flat, { ...plan.test, samples: part.length / pixels }, 0);
      const labels = new Uint8Array(this.memory.buffer, plan.predictions, part.length / pixels);
      const rows = this.#model.probabilities(0, labels.length);
      for (const [i, label] of labels.entries())
        predictions.push({ label, probabilities: Array.from(rows[i]) });
    }
    return predictions;
  }
}
