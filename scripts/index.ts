/** Lockstep as a library: `import { train, resume, evaluate, loadModel } from 'lockstep'`. */
import { type Evaluation, readEvaluation } from '../coordinator/evaluation.ts';
import {
  classCount,
  type DatasetSource,
  type MemorySplit,
  memoryDataset,
  openDataset,
} from '../shared/data/dataset.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { dataError } from '../shared/errors.ts';
import { type KernelChoice, kernelChoices, loadKernels } from '../shared/kernels/load.ts';
import { loadSplit } from '../shared/load-data.ts';
import { evaluationShard } from '../shared/model/memory-plan.ts';
import type { RecipeFields } from '../shared/recipe/resolve.ts';
import type { TrainedModel } from './model.ts';
import { checkChoice, checkData, checkOptions } from './options.ts';
import type { BuiltInRecipe } from './recipes/built-in.ts';
import type { Summary } from './summary.ts';
import type { DataInMemory } from './training.ts';

export type { Prediction } from '../coordinator/inference.ts';
export type { EpochReport, Hooks, Position, StepReport } from '../coordinator/reports.ts';
export { LockstepError } from '../shared/errors.ts';
export type { Recipe } from '../shared/recipe/recipe.ts';
export type { WorkAccount } from '../shared/training.ts';
export { loadModel } from './model.ts';
export { type ResumeOptions, resume, type TrainOptions, train } from './train.ts';
export type { TrainResult } from './training.ts';
export type {
  BuiltInRecipe,
  DataInMemory,
  DatasetSource,
  Evaluation,
  KernelChoice,
  MemorySplit,
  RecipeFields,
  Summary,
  TrainedModel,
};

/**
 * Evaluates a model, with running statistics only; the model is not changed.
 * @param options.data where the samples come from, by default `mnist`; `split` which of them, by default `test`
 * @throws LockstepError with code USAGE or DATA
 */
export async function evaluate(
  model: TrainedModel,
  options: {
    readonly data?: string | DataInMemory;
    readonly split?: 'train' | 'test';
    readonly kernels?: KernelChoice;
  } = {},
): Promise<Evaluation> {
  checkOptions(options, { data: 'any', split: 'text', kernels: 'text' }, 'evaluate');
  const { data = 'mnist', split = 'test', kernels = 'auto' } = options;
  checkChoice(split, ['train', 'test'], 'evaluate: split');
  checkChoice(kernels, kernelChoices, 'evaluate: kernels');
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
  return evaluation;
}
