/**
 * TensorFlow.js as a peer, on its `wasm` or `cpu` backend. Gradients are written out: a matMul with a transposed
 * first operand, which its own gradients consist of, takes ten times as long in WebAssembly as one without, so a step
 * by `optimizer.minimize` or `trainOnBatch` takes four times as long as this one.
 */
import { loadPackage, packageVersion } from './foreign-package.ts';
import type { PeerJob } from './protocol.ts';
import { type Batch, readWeights, serve, type Training, takeJob } from './serve.ts';

const packageName = '@tensorflow/tfjs';
const wasmPackageName = '@tensorflow/tfjs-backend-wasm';

interface Tensor {
  dataSync(): Float32Array;
  dispose(): void;
}

interface Variable extends Tensor {
  readonly name: string;
  assign(value: Tensor): void;
}

type Binary = (a: Tensor | number, b: Tensor | number) => Tensor;
type Unary = (a: Tensor) => Tensor;
type Reduce = (a: Tensor, axis?: number, keepDims?: boolean) => Tensor;

interface TensorFlow {
  tidy<T>(f: () => T): T;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  enableProdMode(): void;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tensor1d(values: Int32Array, dtype: 'int32'): Tensor;
  variable(initial: Tensor, trainable: boolean, name: string): Variable;
  matMul(a: Tensor, b: Tensor): Tensor;
  oneHot(labels: Tensor, depth: number): Tensor;
  cast(a: Tensor, dtype: 'float32'): Tensor;
  readonly transpose: Unary;
  readonly add: Binary;
  readonly sub: Binary;
  readonly mul: Binary;
  readonly div: Binary;
  readonly square: Unary;
  readonly rsqrt: Unary;
  readonly exp: Unary;
  readonly sigmoid: Unary;
  readonly relu: Unary;
  readonly step: Unary;
  readonly tanh: Unary;
  readonly neg: Unary;
  readonly sum: Reduce;
  readonly mean: Reduce;
  readonly logSoftmax: Unary;
  readonly train: {
    sgd(learningRate: number): Optimizer;
    momentum(learningRate: number, momentum: number): Optimizer;
  };
}

interface Optimizer {
  applyGradients(gradients: Readonly<Record<string, Tensor>>): void;
}

/** Gradients by the names of their variables. */
type Gradients = Record<string, Tensor>;

/** One layer: forward keeps what backward needs; all tensors live until the step ends. */
interface Layer {
  forward(x: Tensor): Tensor;
  /** Adds its gradients; gives back that of its input, and null where nobody needs it. */
  backward(dy: Tensor, gradients: Gradients, isFirst: boolean): Tensor | null;
}

type Weights = ReturnType<typeof readWeights>;

function makeDense(tf: TensorFlow, index: number, weights: Weights): Layer {
  const { values, shape } = weights(index, 'weight');
  const weight = tf.variable(tf.transpose(tf.tensor(values, shape)), true, `${index}.weight`);
  const bias = makeVariable(tf, index, 'bias', weights);
  let x: Tensor;
  return {
    forward(input) {
      x = input;
      return tf.add(tf.matMul(x, weight), bias);
    },
    backward(dy, gradients, isFirst) {
      gradients[weight.name] = tf.matMul(tf.transpose(x), dy);
      gradients[bias.name] = tf.sum(dy, 0);
      return isFirst ? null : tf.matMul(dy, tf.transpose(weight));
    },
  };
}

function makeBatchNorm(
  tf: TensorFlow,
  index: number,
  { momentum, epsilon }: { momentum: number; epsilon: number },
  batchSize: number,
  weights: Weights,
): Layer {
  const scale = makeVariable(tf, index, 'weight', weights);
  const shift = makeVariable(tf, index, 'bias', weights);
  const runningMean = makeVariable(tf, index, 'running_mean', weights, false);
  const runningVariance = makeVariable(tf, index, 'running_var', weights, false);
  const move = (running: Variable, value: Tensor) =>
    running.assign(tf.add(tf.mul(running, momentum), tf.mul(value, 1 - momentum)));
  let normal: Tensor;
  let inverse: Tensor;
  return {
    forward(x) {
      const mean = tf.mean(x, 0);
      const centred = tf.sub(x, mean);
      const variance = tf.mean(tf.square(centred), 0);
      inverse = tf.rsqrt(tf.add(variance, epsilon));
      normal = tf.mul(centred, inverse);
      move(runningMean, mean);
      move(runningVariance, variance);
      return tf.add(tf.mul(normal, scale), shift);
    },
    backward(dy, gradients) {
      const sum = tf.sum(dy, 0);
      const sumNormal = tf.sum(tf.mul(dy, normal), 0);
      gradients[scale.name] = sumNormal;
      gradients[shift.name] = sum;
      const rest = tf.sub(tf.sub(dy, tf.div(sum, batchSize)), tf.mul(normal, tf.div(sumNormal, batchSize)));
      return tf.mul(rest, tf.mul(scale, inverse));
    },
  };
}

function makeActivation(tf: TensorFlow, kind: 'sigmoid' | 'relu' | 'tanh'): Layer {
  const slopes: Record<typeof kind, Unary> = {
    sigmoid: (y) => tf.mul(y, tf.sub(1, y)),
    relu: (y) => tf.step(y),
    tanh: (y) => tf.sub(1, tf.square(y)),
  };
  let y: Tensor;
  return {
    forward(x) {
      y = tf[kind](x);
      return y;
    },
    backward: (dy) => tf.mul(dy, slopes[kind](y)),
  };
}

function makeVariable(tf: TensorFlow, index: number, role: string, weights: Weights, isTrained = true) {
  const { values, shape } = weights(index, role);
  return tf.variable(tf.tensor(values, shape), isTrained, `${index}.${role}`);
}

class TensorFlowTraining implements Training {
  readonly #tf: TensorFlow;
  readonly #layers: readonly Layer[];
  readonly #optimizer: Optimizer;
  readonly #classes: number;
  #loss: Tensor | null = null;

  constructor(tf: TensorFlow, job: PeerJob) {
    const weights = readWeights(job);
    this.#tf = tf;
    this.#layers = job.layers.map((layer, index) => {
      if (layer.kind === 'dense') return makeDense(tf, index, weights);
      if (layer.kind === 'batchnorm') return makeBatchNorm(tf, index, layer, job.batchSize, weights);
      return makeActivation(tf, layer.kind);
    });
    this.#classes = job.layers.findLast((layer) => layer.kind === 'dense')?.units ?? 0;
    const { learningRate, momentum } = job;
    this.#optimizer = momentum === 0 ? tf.train.sgd(learningRate) : tf.train.momentum(learningRate, momentum);
  }

  step(batch: Batch): void {
    this.#loss?.dispose();
    this.#loss = this.#tf.tidy(() => this.#trainOn(batch));
  }

  loss(): number {
    return this.#loss?.dataSync()[0] ?? Number.NaN;
  }

  #trainOn({ x, labels }: Batch): Tensor {
    const tf = this.#tf;
    const rows = labels.length;
    const wanted = tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), this.#classes), 'float32');
    const input = tf.tensor(x, [rows, x.length / rows]);
    const logits = this.#layers.reduce((value, layer) => layer.forward(value), input);
    const logarithms = tf.logSoftmax(logits);
    const loss = tf.div(tf.neg(tf.sum(tf.mul(wanted, logarithms))), rows);

    const gradients: Gradients = {};
    let dy: Tensor | null = tf.div(tf.sub(tf.exp(logarithms), wanted), rows);
    for (const layer of this.#layers.toReversed()) {
      if (dy !== null) dy = layer.backward(dy, gradients, layer === this.#layers[0]);
    }
    this.#optimizer.applyGradients(gradients);
    return loss;
  }
}

const { folder, ...job } = takeJob();
const tf = loadPackage(folder, packageName) as TensorFlow;
if (job.backend === 'wasm') loadPackage(folder, wasmPackageName); // registers itself
tf.enableProdMode();
if (!(await tf.setBackend(job.backend))) throw new Error(`the backend ${job.backend} does not start`);
await tf.ready();
await serve(job, new TensorFlowTraining(tf, job), {
  version: packageVersion(folder, packageName) ?? '',
  settings: `${job.backend}, 1 thread`,
});
