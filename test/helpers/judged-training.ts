/**
 * A training by the product on real MNIST samples, and all that a judge needs to do the same by himself: the
 * initial values, and the samples in the order in which they were trained on.
 */
import { type DatasetSource, memoryDataset, openDataset } from '../../shared/data/dataset.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { JudgedRecipe } from './judged-recipes.ts';
import { lastOrder, type Trained, train } from './train.ts';

const features = 784;

/** How a byte becomes a number, in binary64. */
const scales = {
  signed: (x: number) => (x / 255 - 0.5) * 2,
  standard: (x: number) => (x / 255 - 0.1307) / 0.3081,
};

export interface Samples {
  /** x (samples, 784), scaled. */
  readonly x: Float64Array;
  readonly labels: Uint8Array;
}

export interface JudgedTraining {
  /** The model before the first step, and after the last. */
  readonly initial: Trained;
  readonly trained: Trained;
  /** What was trained on, in that order. */
  readonly samples: Samples;
  readonly test: Samples;
}

/** The first samples of MNIST. */
export async function someMnist(train: number, test: number): Promise<DatasetSource> {
  const whole = openDataset('mnist');
  const read = async (split: 'train' | 'test', count: number) => {
    const images = new Uint8Array(whole.samples[split] * features);
    const labels = new Uint8Array(whole.samples[split]);
    await whole.load(split, images, labels);
    return { images: images.slice(0, count * features), labels: labels.slice(0, count) };
  };
  return memoryDataset({ train: await read('train', train), test: await read('test', test) });
}

/** Trains one epoch of `steps` batches on two threads. */
export async function trainForJudge(
  { fields, lastBatch }: JudgedRecipe,
  source: DatasetSource,
  steps: number,
): Promise<JudgedTraining> {
  const trainSamples = (steps - 1) * fields.batchSize + lastBatch;
  const recipe: RecipeFields = { ...fields, trainSamples, epochs: 1 };
  const initial = await train({ ...recipe, epochs: 0 }, { source });
  const trained = await train(recipe, { source, threads: 2 });
  const testSamples = trained.run.plan.test.samples;
  return {
    initial,
    trained,
    samples: pick(trained, 'train', lastOrder(trained)),
    test: pick(
      trained,
      'test',
      Uint32Array.from({ length: testSamples }, (_, sample) => sample),
    ),
  };

  function pick({ run }: Trained, split: 'train' | 'test', numbers: Uint32Array): Samples {
    const place = run.plan[split];
    const images = new Uint8Array(run.memory.buffer, place.images, place.samples * features);
    const allLabels = new Uint8Array(run.memory.buffer, place.labels, place.samples);
    const x = new Float64Array(numbers.length * features);
    for (const [row, sample] of numbers.entries()) {
      for (let p = 0; p < features; p++) {
        x[row * features + p] = scales[fields.scale](images[sample * features + p]);
      }
    }
    return { x, labels: Uint8Array.from(numbers, (sample) => allLabels[sample]) };
  }
}

/** The batch of a step, counted from 0. */
export function batchOf({ x, labels }: Samples, batchSize: number, step: number): Samples {
  const end = Math.min((step + 1) * batchSize, labels.length);
  return {
    x: x.subarray(step * batchSize * features, end * features),
    labels: labels.subarray(step * batchSize, end),
  };
}

/** The largest relative difference of two lists of positive numbers, place by place. */
export function worstRelative(ours: readonly number[], judged: readonly number[]): number {
  if (ours.length !== judged.length || ours.length === 0) return Number.POSITIVE_INFINITY;
  return Math.max(...judged.map((value, i) => Math.abs(ours[i] - value) / value));
}

/**
 * The largest difference in each tensor, in units of the largest value of what it belongs to: a layer's weight
 * and bias (before a batch norm, a bias has the gradient 0 and no size of its own), a variance, and for a mean
 * the mean or the deviation, since values of that size were averaged.
 */
export function tensorErrors(ours: Tensors, judged: Tensors): Map<string, number> {
  const unitOf = (name: string): number => {
    const size = (role: string): number => largest(judged.get(name.replace(/[^.]*$/, role)) ?? []);
    switch (name.split('.')[1]) {
      case 'running_var':
        return size('running_var');
      case 'running_mean':
        return Math.max(size('running_mean'), Math.sqrt(size('running_var')));
      default:
        return Math.max(size('weight'), size('bias'));
    }
  };
  return new Map(
    Array.from(judged, ([name, values]) => {
      const mine = ours.get(name);
      if (mine?.length !== values.length) return [name, Number.POSITIVE_INFINITY];
      return [name, largest(Array.from(values, (value, i) => mine[i] - value)) / unitOf(name)];
    }),
  );
}

type Tensors = ReadonlyMap<string, ArrayLike<number>>;

/** The largest magnitude; NaN if there is one. */
function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => (Math.abs(value) <= most ? most : Math.abs(value)), 0);
}
