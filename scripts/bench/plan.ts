/** What is to be measured, how, and about how long that takes. */
import { classCount, imageShape } from '../../shared/data/dataset.ts';
import type { KernelModule } from '../../shared/kernels/load.ts';
import { parseArchitecture } from '../../shared/model/architecture.ts';
import { type Draft, draftRecipe, type Label } from '../../shared/recipe/resolve.ts';
import { type DenseShape, denseShapes } from './flops.ts';

export interface BenchPlan {
  readonly recipes: readonly BenchRecipe[];
  readonly batchSizes: readonly number[];
  /** Ascending. */
  readonly threads: readonly number[];
  readonly kernels: readonly KernelModule[];
  readonly rounds: number;
  /** Of a turn. */
  readonly seconds: number;
}

export interface BenchRecipe {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly label: Label;
}

/** Roughly: starting a team, measuring the limits of a set and the products of a layer. */
const startSeconds = 0.5;
const limitSeconds = 0.3;
const memorySeconds = 3;
const productSeconds = 0.6;

/** About how many seconds the whole will take. */
export function estimateSeconds({
  recipes,
  batchSizes,
  threads,
  kernels,
  rounds,
  seconds,
}: BenchPlan): number {
  const sides = threads.length * kernels.length;
  const perGroup = sides * (2 * startSeconds + seconds * (rounds + 1) + 2 * seconds);
  const products = recipes.reduce((sum, recipe) => sum + shapesOf(draftOf(recipe, batchSizes[0])).length, 0);
  return (
    memorySeconds +
    limitSeconds * kernels.length +
    recipes.length * batchSizes.length * perGroup +
    productSeconds * products * batchSizes.length * kernels.length
  );
}

/**
 * A recipe as it is measured: the values that a model starts from and the identity of its data do not matter, and
 * a shard size goes with its own batch size only.
 */
export function draftOf({ fields, label }: BenchRecipe, batchSize: number): Draft {
  const { dataset: _, init, shardSize, ...rest } = fields;
  return draftRecipe(
    {
      ...rest,
      batchSize,
      trainSamples: null,
      ...(init === undefined || String(init).startsWith('sha256:') ? {} : { init }),
      ...(shardSize === undefined || batchSize !== fields.batchSize ? {} : { shardSize }),
    },
    label,
  );
}

/** The dense layers of what is measured. */
export function shapesOf({ model }: Draft): DenseShape[] {
  return denseShapes(parseArchitecture(model, imageShape, classCount, 'model'));
}
