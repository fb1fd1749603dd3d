/**
 * The recipe: everything that decides the bits, and nothing else. Its canonical JSON (keys sorted, no white
 * space) has a SHA-256, the recipe id.
 */

import type { Scale } from '../data/scale.ts';
import { sha256 } from '../digest.ts';
import type { BatchNormMode } from '../model/layer.ts';

/** Raised by any change of the arithmetic that changes bits. */
export const arithmeticVersion = 1;

/** When running mean and variance go back to 0 and 1. */
export type ResetRunningStats = 'never' | 'start' | 'epoch';

/** A recipe with nothing left open. Texts are canonical. */
export interface Recipe {
  readonly arithmetic: number;
  /** SHA-256 that identifies the data set's content. */
  readonly dataset: string;
  /** Size of the random subset to train on, null for all samples. */
  readonly trainSamples: number | null;
  readonly scale: Scale;
  readonly model: string;
  /** An initialisation, or `sha256:…`, the weights digest of the file to start from. */
  readonly init: string;
  readonly optimizer: string;
  readonly schedule: string;
  readonly batchSize: number;
  readonly shardSize: number;
  readonly batchNorm: BatchNormMode;
  readonly dropLast: boolean;
  readonly resetRunningStats: ResetRunningStats;
  readonly epochs: number;
  readonly seed: number;
  /** Not there where training does not stop early, so that such recipes keep the ids that they always had. */
  readonly earlyStopping?: string;
}

export function canonicalJson(recipe: Recipe): string {
  return JSON.stringify(Object.fromEntries(Object.entries(recipe).sort(([a], [b]) => (a < b ? -1 : 1))));
}

export function recipeId(recipe: Recipe): string {
  return sha256(canonicalJson(recipe));
}

/** The fields in which two recipes differ. */
export function differingFields(a: Recipe, b: Recipe): (keyof Recipe)[] {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])] as (keyof Recipe)[];
  return fields.filter((field) => a[field] !== b[field]);
}

/**
 * The shard size where none is given: an eighth of the batch in multiples of 8, at least 16 and at most 64
 * samples. Smaller ones would let more threads share a batch, and cost more in merges (ARCHITECTURE.md, "Shards").
 */
export function defaultShardSize(batchSize: number): number {
  return Math.min(64, Math.max(16, 8 * Math.ceil(batchSize / 64)));
}

/** Samples of an epoch and its number of steps. */
export function epochShape(
  recipe: Pick<Recipe, 'trainSamples' | 'batchSize' | 'dropLast'>,
  total: number,
): {
  samples: number;
  steps: number;
} {
  const samples = recipe.trainSamples ?? total;
  const whole = Math.floor(samples / recipe.batchSize);
  return { samples, steps: recipe.dropLast ? whole : Math.ceil(samples / recipe.batchSize) };
}
