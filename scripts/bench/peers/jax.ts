/**
 * jax-js as a peer: the whole step, with its gradients, in one `jit`. Arrays are counted references: whoever takes one
 * uses it up, `.ref` keeps it.
 */
import { loadPackage, packageVersion } from './foreign-package.ts';
import type { PeerJob } from './protocol.ts';
import { type Batch, readWeights, serve, type Training, takeJob } from './serve.ts';

const packageName = '@jax-js/jax';

/** What is used of an array, which is of any shape here. */
interface Values {
  readonly ref: Values;
  add(other: Values | number): Values;
  sub(other: Values): Values;
  mul(other: Values | number): Values;
  mean(axis: number): Values;
  sum(): Values;
  transpose(): Values;
  reshape(shape: readonly number[]): Values;
  dataSync(): Float32Array;
  dispose(): void;
}

type Params = Record<string, Values>;

interface Jax {
  readonly numpy: {
    array(values: Float32Array | Int32Array): Values;
    zeros(shape: readonly number[]): Values;
    dot(a: Values, b: Values): Values;
    sqrt(a: Values): Values;
    square(a: Values): Values;
    reciprocal(a: Values): Values;
    tanh(a: Values): Values;
  };
  readonly nn: {
    relu(a: Values): Values;
    sigmoid(a: Values): Values;
    logSoftmax(a: Values): Values;
    oneHot(a: Values, classes: number): Values;
  };
  readonly tree: { ref<T>(tree: T): T };
  init(device: 'wasm'): Promise<unknown>;
  jit<F>(f: F): F;
  valueAndGrad<X>(
    f: (params: Params, x: Values, labels: Values) => [Values, X],
    options: { hasAux: true },
  ): (params: Params, x: Values, labels: Values) => [[Values, X], Params];
}

/** All that a step changes. `running` and `velocity` are empty where nothing needs them. */
interface State {
  params: Params;
  running: Params;
  velocity: Params;
}

class JaxTraining implements Training {
  readonly #jax: Jax;
  readonly #batchSize: number;
  readonly #step: (state: State, x: Values, labels: Values) => [State, Values];
  #state: State;
  #loss: Values | null = null;

  constructor(jax: Jax, job: PeerJob) {
    this.#jax = jax;
    this.#batchSize = job.batchSize;
    this.#state = initialState(jax, job);
    this.#step = jax.jit(stepOf(jax, job));
  }

  step({ x, labels }: Batch): void {
    const { numpy: np } = this.#jax;
    this.#loss?.dispose();
    // Arrays copy what they are made of.
    const rows = np.array(x).reshape([this.#batchSize, x.length / this.#batchSize]);
    [this.#state, this.#loss] = this.#step(this.#state, rows, np.array(labels));
    // Arrays stay promises until one is read, and a chain of promises takes longer with every step.
    this.#loss.ref.dataSync();
  }

  loss(): number {
    return this.#loss?.ref.dataSync()[0] ?? Number.NaN;
  }
}

/** Values as the file has them: a weight is (out, in), which is also the faster way round here. */
function initialState({ numpy: np }: Jax, job: PeerJob): State {
  const weights = readWeights(job);
  const state: State = { params: {}, running: {}, velocity: {} };
  for (const [index, { kind }] of job.layers.entries()) {
    if (kind !== 'dense' && kind !== 'batchnorm') continue;
    for (const role of ['weight', 'bias']) {
      const { values, shape } = weights(index, role);
      state.params[`${index}.${role}`] = np.array(values).reshape(shape);
      if (job.momentum !== 0) state.velocity[`${index}.${role}`] = np.zeros(shape);
    }
    if (kind !== 'batchnorm') continue;
    for (const role of ['running_mean', 'running_var']) {
      state.running[`${index}.${role}`] = np.array(weights(index, role).values);
    }
  }
  return state;
}

function stepOf(jax: Jax, job: PeerJob) {
  const { tree } = jax;
  const gradient = jax.valueAndGrad(lossOf(jax, job), { hasAux: true });
  return ({ params, running, velocity }: State, x: Values, labels: Values): [State, Values] => {
    const [[loss, moments], gradients] = gradient(tree.ref(params), x, labels);
    const next: State = { params: {}, running: {}, velocity: {} };
    for (const [name, old] of Object.entries(params)) {
      let change = gradients[name];
      if (job.momentum !== 0) {
        change = velocity[name].mul(job.momentum).add(change);
        next.velocity[name] = change.ref;
      }
      next.params[name] = old.sub(change.mul(job.learningRate));
    }
    for (const [index, layer] of job.layers.entries()) {
      if (layer.kind !== 'batchnorm') continue;
      for (const name of [`${index}.running_mean`, `${index}.running_var`]) {
        const kept = running[name].mul(layer.momentum);
        next.running[name] = kept.add(moments[name].mul(1 - layer.momentum));
      }
    }
    return [next, loss];
  };
}

/** The mean loss of a batch, and beside it the moments of each batch norm under their running statistics' names. */
function lossOf({ numpy: np, nn }: Jax, job: PeerJob) {
  return (params: Params, x: Values, labels: Values): [Values, Params] => {
    const moments: Params = {};
    let y = x;
    for (const [index, layer] of job.layers.entries()) {
      const weight = params[`${index}.weight`];
      const bias = params[`${index}.bias`];
      switch (layer.kind) {
        case 'dense':
          y = np.dot(y, weight.transpose()).add(bias);
          break;
        case 'batchnorm': {
          const mean = y.ref.mean(0);
          const centred = y.sub(mean.ref);
          const variance = np.square(centred.ref).mean(0);
          const inverse = np.reciprocal(np.sqrt(variance.ref.add(layer.epsilon)));
          y = centred.mul(inverse).mul(weight).add(bias);
          moments[`${index}.running_mean`] = mean;
          moments[`${index}.running_var`] = variance;
          break;
        }
        case 'tanh':
          y = np.tanh(y);
          break;
        default:
          y = nn[layer.kind](y);
      }
    }
    const classes = job.layers.findLast((layer) => layer.kind === 'dense')?.units ?? 0;
    const loss = nn.logSoftmax(y).mul(nn.oneHot(labels, classes)).sum();
    return [loss.mul(-1 / job.batchSize), moments];
  };
}

const { folder, ...job } = takeJob();
const jax = loadPackage(folder, packageName) as Jax;
await jax.init('wasm');
await serve(job, new JaxTraining(jax, job), {
  version: packageVersion(folder, packageName) ?? '',
  settings: 'wasm, jit, 1 thread',
});
