/** How good a model is: on the whole, by class, and where it is wrong most. */
import { type Evaluation, readEvaluation } from '../coordinator/evaluation.ts';
import type { Inference } from '../coordinator/inference.ts';
import { classCount, imageShape, knownName, memoryDataset, openDataset } from '../shared/data/dataset.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { dataError } from '../shared/errors.ts';
import { type KernelChoice, kernelChoices, loadKernels } from '../shared/kernels/load.ts';
import { loadSplit, splitViews } from '../shared/load-data.ts';
import { featureCount } from '../shared/model/layer.ts';
import { evaluationShard } from '../shared/model/memory-plan.ts';
import type { TrainedModel } from './model.ts';
import { checkChoice, checkCount, checkData, checkOptions, type DataInMemory } from './options.ts';

export interface ClassScores {
  readonly label: number;
  /** Samples that have this label. */
  readonly support: number;
  /** How many of those that were predicted to be this are: 0 … 1, or null where none was. */
  readonly precision: number | null;
  /** How many of those that are this were predicted to be: 0 … 1, or null where there are none. */
  readonly recall: number | null;
}

export interface Mistake {
  /** Its number in the split, from 0 on. */
  readonly sample: number;
  readonly label: number;
  readonly prediction: number;
  /** That the prediction was given, and the label. */
  readonly probability: number;
  readonly labelProbability: number;
  /** (28, 28) bytes. */
  readonly image: Uint8Array;
}

export interface EvaluationReport extends Evaluation {
  /** The data set's name, the folder, or `memory`. */
  readonly data: string;
  /** In words, that nobody said which data to take, and these are not what the model was trained on; null otherwise. */
  readonly note: string | null;
  readonly classes: readonly ClassScores[];
  /** The mistakes that the model was surest of, the surest first. */
  readonly worst: readonly Mistake[];
}

export interface EvaluateOptions {
  /** Where the samples come from; by default what it was trained on if that is known by name, else `mnist`. */
  readonly data?: string | DataInMemory;
  /** Which of them, by default `test`. */
  readonly split?: Split;
  readonly kernels?: KernelChoice;
  /** How many of the worst mistakes to give back, by default 10. */
  readonly worst?: number;
}

export const splits = ['train', 'test'] as const;
export type Split = (typeof splits)[number];

const pixels = featureCount(imageShape);

/**
 * Evaluates a model, with running statistics only; the model is not changed.
 * @throws LockstepError with code USAGE or DATA
 */
export async function evaluate(
  model: TrainedModel,
  options: EvaluateOptions = {},
): Promise<EvaluationReport> {
  checkOptions(options, { data: 'any', split: 'text', kernels: 'text', worst: 'any' }, 'evaluate');
  const trainedOn = knownName(model.recipe.dataset);
  const { data = trainedOn ?? 'mnist', split = 'test', kernels = 'auto', worst = 10 } = options;
  checkChoice(split, splits, 'evaluate: split');
  checkChoice(kernels, kernelChoices, 'evaluate: kernels');
  checkCount(worst, 'evaluate: worst');
  checkData(data, 'evaluate: data');
  const source =
    typeof data === 'string' ? openDataset(data, knownDatasets, 'evaluate: data') : memoryDataset(data);
  const inference = model.inference(loadKernels(kernels), source.samples[split]);
  await loadSplit(source, split, inference.plan.test, inference.memory);
  inference.evaluate();
  const evaluation = readEvaluation(inference.plan, inference.memory, 'test', classCount);
  if (evaluation.badShard !== null) {
    throw dataError(
      `the model's loss is NaN or infinite, first in samples ${evaluation.badShard * evaluationShard} and following; ` +
        'its numbers are too large to evaluate',
    );
  }
  return {
    ...evaluation,
    data: source.name,
    note:
      options.data === undefined && trainedOn === null
        ? `${source.name} is not the data that the model was trained on; say which to take by data`
        : null,
    classes: classScores(evaluation.confusion),
    worst: findMistakes(inference).slice(0, worst),
  };
}

/** How each class fares. */
export function classScores(confusion: Evaluation['confusion']): ClassScores[] {
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const share = (part: number, all: number) => (all === 0 ? null : part / all);
  return confusion.map((row, label) => {
    const support = sum(row);
    const predicted = sum(confusion.map((other) => other[label]));
    return { label, support, precision: share(row[label], predicted), recall: share(row[label], support) };
  });
}

/** All samples that were just evaluated and predicted wrong, the surest mistake first. Overwrites the samples in memory. */
function findMistakes(inference: Inference): Mistake[] {
  const { plan, memory } = inference;
  const { images, labels } = splitViews(plan.test, memory);
  const predictions = new Uint8Array(memory.buffer, plan.predictions, labels.length);
  const wrong = Array.from(labels.keys()).filter((sample) => predictions[sample] !== labels[sample]);
  // Copies, for predicting takes place where the samples are.
  const seen = new Uint8Array(wrong.length * pixels);
  for (const [i, sample] of wrong.entries()) {
    seen.set(images.subarray(sample * pixels, (sample + 1) * pixels), i * pixels);
  }
  const known = wrong.map((sample) => labels[sample]);
  return inference
    .predict(seen)
    .map(({ label: prediction, probabilities }, i) => ({
      sample: wrong[i],
      label: known[i],
      prediction,
      probability: probabilities[prediction],
      labelProbability: probabilities[known[i]],
      image: seen.slice(i * pixels, (i + 1) * pixels),
    }))
    .sort(
      (a, b) =>
        b.probability - a.probability || a.labelProbability - b.labelProbability || a.sample - b.sample,
    );
}
