/**
 * The whole training of a network once more, in binary64 and written to be read: what the results of the
 * binary32 path are judged by. It shares no code with that path, sums in whatever order is plainest, and
 * knows nothing of threads. It is itself judged by finite differences and by PyTorch.
 */

import { activationBackward, activationForward } from './activations.ts';
import {
  batchNormBackward,
  batchNormEvaluate,
  batchNormForward,
  type Group,
  groupsOf,
  type Moments,
  updateRunningStatistics,
} from './batch-norm.ts';
import { denseBackward, denseForward } from './dense.ts';
import { describeTensors, type Layer, sizeOf, type Tensors, tensorNamed } from './layers.ts';
import { softmaxCrossEntropy } from './loss.ts';
import { type SgdOptions, sgdUpdate } from './sgd.ts';

export type ReferenceOptions = SgdOptions & {
  batchNorm: 'sync' | 'ghost';
  /** samples a shard; of no effect with `sync` */
  shardSize: number;
};

export type Gradients = {
  /** the mean loss of the batch */
  loss: number;
  /** by the name of the trainable tensor */
  tensors: Tensors;
  /** by the inputs, in their shape (rows, features) */
  input: Float64Array;
};

export class ReferenceNetwork {
  readonly layers: readonly Layer[];
  /** The state: every parameter and running statistic by name, live, in the order of the state dict. */
  readonly tensors: Tensors = new Map();
  readonly #options: ReferenceOptions;
  readonly #velocities: Tensors = new Map();

  /**
   * `initial` has exactly the tensors that `describeTensors(layers)` lists; they are copied.
   * Throws RangeError on a missing or surplus tensor, or one of the wrong length.
   */
  constructor(
    layers: readonly Layer[],
    initial: ReadonlyMap<string, ArrayLike<number>>,
    options: ReferenceOptions,
  ) {
    this.layers = layers;
    this.#options = options;
    for (const { name, shape, trainable } of describeTensors(layers)) {
      const values = initial.get(name);
      if (values?.length !== sizeOf(shape)) {
        throw new RangeError(`${name}: got ${values?.length ?? 'no'} values, expected (${shape.join(', ')})`);
      }
      this.tensors.set(name, Float64Array.from(values));
      if (trainable) this.#velocities.set(name, new Float64Array(values.length));
    }
    const surplus = [...initial.keys()].filter((name) => !this.tensors.has(name));
    if (surplus.length > 0) throw new RangeError(`no layer has a tensor ${surplus.join(', ')}`);
  }

  /** The names of the trainable tensors, in the order of the state dict. */
  get trainable(): string[] {
    return [...this.#velocities.keys()];
  }

  /**
   * One step of training: x (rows, features) and one label a row → the mean loss before the update.
   * Changes the parameters, their velocities and the running statistics.
   */
  trainStep(x: ArrayLike<number>, labels: ArrayLike<number>, learningRate?: number): number {
    const outputs = this.forward(x, labels.length);
    const { loss, tensors } = this.#backward(outputs, labels);
    for (const [index, layer] of this.layers.entries()) {
      if (layer.kind !== 'batchnorm') continue;
      updateRunningStatistics(layer, this.#running(index), outputs[index], labels.length);
    }
    const options = { ...this.#options, learningRate: learningRate ?? this.#options.learningRate };
    for (const [name, velocity] of this.#velocities) {
      sgdUpdate(tensorNamed(this.tensors, name), velocity, tensorNamed(tensors, name), options);
    }
    return loss;
  }

  /** The loss of a batch in training and its gradients; changes nothing. */
  gradients(x: ArrayLike<number>, labels: ArrayLike<number>): Gradients {
    return this.#backward(this.forward(x, labels.length), labels);
  }

  /** Mean loss and hits of any number of samples by the running statistics; changes nothing. */
  evaluate(x: ArrayLike<number>, labels: ArrayLike<number>): { loss: number; correct: number } {
    const rows = labels.length;
    let values: Float64Array = Float64Array.from(x);
    for (const [index, layer] of this.layers.entries()) {
      values =
        layer.kind === 'batchnorm'
          ? batchNormEvaluate(layer, ...this.#weightAndBias(index), this.#running(index), values)
          : this.#forwardOne(index, layer, values, rows, []);
    }
    const { loss, correct } = softmaxCrossEntropy(values, labels, values.length / rows);
    return { loss, correct };
  }

  /** Forward as in training; changes nothing. Element n is the input of layer n, the last the logits. */
  forward(x: ArrayLike<number>, rows: number): Float64Array[] {
    const groups = this.#groups(rows);
    const outputs: Float64Array[] = [Float64Array.from(x)];
    for (const [index, layer] of this.layers.entries()) {
      outputs.push(this.#forwardOne(index, layer, outputs[index], rows, groups));
    }
    return outputs;
  }

  #forwardOne(index: number, layer: Layer, x: Float64Array, rows: number, groups: Group[]): Float64Array {
    switch (layer.kind) {
      case 'dense':
        requireWidth(index, x, rows, layer.inputs);
        return denseForward(layer, ...this.#weightAndBias(index), x, rows);
      case 'batchnorm':
        requireWidth(index, x, rows, layer.features);
        return batchNormForward(layer, ...this.#weightAndBias(index), x, groups);
      default:
        return activationForward(layer, x);
    }
  }

  /** `outputs` as `forward` gave them → loss and gradients, from the last layer to the first. */
  #backward(outputs: readonly Float64Array[], labels: ArrayLike<number>): Gradients {
    const rows = labels.length;
    const logits = outputs[this.layers.length];
    const { loss, gradient } = softmaxCrossEntropy(logits, labels, logits.length / rows);
    const tensors: Tensors = new Map();
    let dy = gradient;
    for (let index = this.layers.length - 1; index >= 0; index--) {
      const layer = this.layers[index];
      const x = outputs[index];
      const y = outputs[index + 1];
      switch (layer.kind) {
        case 'dense': {
          const found = denseBackward(layer, tensorNamed(this.tensors, `${index}.weight`), x, dy, rows);
          tensors.set(`${index}.weight`, found.weight).set(`${index}.bias`, found.bias);
          dy = found.x;
          break;
        }
        case 'batchnorm': {
          const scale = tensorNamed(this.tensors, `${index}.weight`);
          const found = batchNormBackward(layer, scale, x, dy, this.#groups(rows));
          tensors.set(`${index}.weight`, found.scale).set(`${index}.bias`, found.shift);
          dy = found.x;
          break;
        }
        default:
          dy = activationBackward(layer, x, y, dy);
      }
    }
    return { loss, tensors, input: dy };
  }

  #groups(rows: number): Group[] {
    return groupsOf(rows, this.#options.batchNorm, this.#options.shardSize);
  }

  #weightAndBias(index: number): [Float64Array, Float64Array] {
    return [tensorNamed(this.tensors, `${index}.weight`), tensorNamed(this.tensors, `${index}.bias`)];
  }

  #running(index: number): Moments {
    return {
      mean: tensorNamed(this.tensors, `${index}.running_mean`),
      variance: tensorNamed(this.tensors, `${index}.running_var`),
    };
  }
}

function requireWidth(index: number, x: Float64Array, rows: number, width: number): void {
  if (x.length !== rows * width) {
    throw new RangeError(`layer ${index}: got ${x.length} values, expected ${rows} rows of ${width}`);
  }
}
