/** From what a user wrote (a built-in recipe, a file, flags) to a recipe with nothing left open. */
import { inspect } from 'node:util';
import * as z from 'zod/mini';
import { classCount, imageShape } from '../data/dataset.ts';
import { scaleNames } from '../data/scale.ts';
import { quoted, suggestion, usageError } from '../errors.ts';
import { parseArchitecture } from '../model/architecture.ts';
import { canonicalInitialisation } from '../model/initialisation.ts';
import { canonicalOptimizer, canonicalSchedule } from '../model/optimizer.ts';
import { canonicalEarlyStopping } from './early-stopping.ts';
import { arithmeticVersion, defaultShardSize, epochShape, type Recipe } from './recipe.ts';

/** Batches above this are not minibatches any more, and their shards could not be numbered. */
const largestBatch = 65_536;
const mostEpochs = 1_000_000;

const integer = (min: number, max: number) =>
  z
    .int(`expected an integer ≥ ${min}`)
    .check(
      z.minimum(min, `expected an integer ≥ ${min}`),
      z.maximum(max, `expected an integer from ${min} to ${max}`),
    );
const text = z.string('expected a text');
const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, `expected ${values.join(', ').replace(/, (?=[^,]*$)/, ' or ')}`);
const flag = z.boolean('expected true or false');
const hash = text.check(z.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256, 64 hexadecimal digits'));

/** The fields a recipe may have before it is resolved; a resolved recipe's JSON fits too. */
const schema = z.strictObject({
  arithmetic: z.optional(
    z.literal(arithmeticVersion, `expected ${arithmeticVersion}, the version of this program`),
  ),
  dataset: z.optional(hash),
  data: z.optional(text),
  trainSamples: z.optional(z.nullable(integer(1, 2 ** 31))),
  scale: z.optional(oneOf(...(scaleNames as [string, ...string[]]))),
  model: z.optional(text),
  init: z.optional(text),
  optimizer: z.optional(text),
  schedule: z.optional(text),
  batchSize: z.optional(integer(1, largestBatch)),
  shardSize: z.optional(integer(1, largestBatch)),
  batchNorm: z.optional(oneOf('sync', 'ghost')),
  dropLast: z.optional(flag),
  resetRunningStats: z.optional(oneOf('never', 'start', 'epoch')),
  epochs: z.optional(integer(0, mostEpochs)),
  seed: z.optional(integer(0, 2 ** 32 - 1)),
  earlyStopping: z.optional(text),
});

/** A recipe as it is written: any field may be missing. */
export type RecipeFields = Partial<Omit<Recipe, 'arithmetic'>> & { arithmetic?: number; data?: string };

export const recipeKeys = Object.keys(schema.shape);

/** What training starts from where nothing is said. */
export const bareDefaults = {
  data: 'mnist',
  trainSamples: null,
  scale: 'signed',
  init: 'he',
  optimizer: 'sgd(lr=0.1)',
  schedule: 'constant',
  batchSize: 64,
  batchNorm: 'sync',
  dropLast: false,
  resetRunningStats: 'never',
  epochs: 10,
  seed: 0,
} satisfies RecipeFields;

/** A recipe whose data set is not yet read. */
export type Draft = Omit<Recipe, 'dataset'> & {
  /** Name or folder of the data, and the content it must have, if the recipe says so. */
  readonly data: string;
  readonly dataset: string | null;
};

/** Names a field in messages: `--batch-size`, `recipe.json: batchSize`. */
export type Label = (key: string) => string;

/**
 * Checks fields and fills in defaults.
 * @param fields anything, for example parsed JSON
 * @throws LockstepError (USAGE) naming the first field that is unknown or out of range
 */
export function draftRecipe(fields: unknown, label: Label): Draft {
  const checked = checkFields(fields, label);
  const all = { ...bareDefaults, ...checked };
  if (all.model === undefined) {
    throw usageError(
      `${label('model')}: got nothing, expected layers, for example "dense(200) sigmoid dense(10)"`,
    );
  }
  const batchSize = all.batchSize;
  return {
    arithmetic: arithmeticVersion,
    data: all.data,
    dataset: all.dataset ?? null,
    trainSamples: all.trainSamples,
    scale: all.scale,
    model: parseArchitecture(all.model, imageShape, classCount, label('model')).text,
    init: /^sha256:[0-9a-f]{64}$/.test(all.init)
      ? all.init
      : canonicalInitialisation(all.init, label('init')),
    optimizer: canonicalOptimizer(all.optimizer, label('optimizer')),
    schedule: canonicalSchedule(all.schedule, label('schedule')),
    batchSize,
    shardSize: Math.min(all.shardSize ?? defaultShardSize(batchSize), batchSize),
    batchNorm: all.batchNorm,
    dropLast: all.dropLast,
    resetRunningStats: all.resetRunningStats,
    epochs: all.epochs,
    seed: all.seed,
    ...(all.earlyStopping !== undefined && {
      earlyStopping: canonicalEarlyStopping(all.earlyStopping, label('earlyStopping')),
    }),
  };
}

/**
 * Checks a draft against the number of samples that there are.
 * @param label for messages, as in {@link draftRecipe}
 */
export function checkSamples(draft: Draft, available: number, label: Label): Draft {
  const { trainSamples, dropLast, batchSize } = draft;
  if (trainSamples !== null && trainSamples > available) {
    throw usageError(
      `${label('trainSamples')}: got ${trainSamples}, expected at most ${available}, the samples that ${quoted(draft.data)} has`,
    );
  }
  if (dropLast && epochShape(draft, available).steps === 0) {
    throw usageError(
      `${label('batchSize')}: got ${batchSize} with drop-last, expected at most the ${trainSamples ?? available} samples of an epoch`,
    );
  }
  // The whole data set is no subset, however it was asked for.
  return { ...draft, trainSamples: trainSamples === available ? null : trainSamples };
}

/** The recipe of a draft whose data turned out to be this. */
export function finishRecipe(draft: Draft, dataset: string): Recipe {
  const { data: _, ...rest } = draft;
  return { ...rest, dataset };
}

function checkFields(fields: unknown, label: Label): RecipeFields {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw usageError(
      `${label('')}: got ${quoted(typeof fields === 'bigint' ? String(fields) : String(JSON.stringify(fields)))}, expected an object with recipe fields`,
    );
  }
  const result = schema.safeParse(fields);
  if (result.success) return result.data as RecipeFields;
  const issue = result.error.issues[0];
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0];
    const hint = suggestion(key, recipeKeys) || `, expected one of ${recipeKeys.join(', ')}`;
    throw usageError(`${label(key)}: unknown recipe field ${quoted(key)}${hint}`);
  }
  const key = String(issue.path[0]);
  const given: unknown = Reflect.get(fields, key);
  throw usageError(`${label(key)}: got ${shown(given)}, ${issue.message}`);
}

/** A value as its writer would know it again, on one line. */
function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  const text =
    typeof value === 'object' ? inspect(value, { breakLength: Number.POSITIVE_INFINITY }) : String(value);
  return quoted(text).slice(1, -1);
}
