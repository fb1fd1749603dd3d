/** Where two states of one recipe differ, value by value, and what of the step that says. */
import type { Architecture } from '../shared/model/architecture.ts';
import { parseOptimizer } from '../shared/model/optimizer.ts';
import { isTrained, type Tensor, unpackTensor } from '../shared/model/tensors.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import type { RunState } from './run-state.ts';

/** Two of something: the one run's, the other's. */
export type Pair<T> = readonly [T, T];

/** A tensor of which some values differ. */
export interface TensorDifference {
  /** As in files: `0.weight`; `optimizer.0.weight` for what the optimizer keeps of it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Values that differ. */
  readonly count: number;
  /** The place of the first of them in file order, counted from 0 along each dimension; its bits as `0x3f800000`. */
  readonly index: readonly number[];
  readonly bits: Pair<string>;
  readonly values: Pair<number>;
}

/** All tensors that differ: those of the model in model order, then the optimizer's. */
export function differingTensors(
  { tensors }: Architecture,
  [a, b]: Pair<Pick<RunState, 'snapshot' | 'optimizer'>>,
): TensorDifference[] {
  const model = tensors.flatMap(
    (tensor) => differenceOf(tensor, '', [valuesOf(a, tensor), valuesOf(b, tensor)]) ?? [],
  );
  const optimizer = tensors
    .filter(({ role }) => isTrained(role))
    .flatMap((tensor) => {
      const values = [unpackTensor(a.optimizer, tensor), unpackTensor(b.optimizer, tensor)] as const;
      return differenceOf(tensor, 'optimizer.', values) ?? [];
    });
  return [...model, ...optimizer];
}

function valuesOf({ snapshot }: Pick<RunState, 'snapshot'>, { name }: Tensor): Float32Array {
  const values = snapshot.tensors.get(name);
  if (values === undefined) throw new Error(`the snapshot has no ${name}`);
  return values;
}

function differenceOf(
  { name, shape }: Tensor,
  prefix: string,
  [a, b]: Pair<Float32Array>,
): TensorDifference | null {
  const [left, right] = [wordsOf(a), wordsOf(b)];
  let count = 0;
  let first = 0;
  for (let i = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue;
    if (count === 0) first = i;
    count += 1;
  }
  if (count === 0) return null;
  const hex = (word: number) => `0x${word.toString(16).padStart(8, '0')}`;
  return {
    name: `${prefix}${name}`,
    shape,
    count,
    index: indexOf(first, shape),
    bits: [hex(left[first]), hex(right[first])],
    values: [a[first], b[first]],
  };
}

/** The bits of values: −0 and +0 differ, and so do two kinds of NaN. */
function wordsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function indexOf(place: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = place;
  for (const length of shape.toReversed()) {
    index.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return index;
}

/** What is known of the step after which two states differ, which were equal before it. */
export interface StepEvidence {
  readonly architecture: Architecture;
  readonly recipe: Pick<Recipe, 'batchNorm' | 'optimizer'>;
  readonly differences: readonly TensorDifference[];
  /** The step's losses, which come of its forward half; null where they are not known. */
  readonly losses: Pair<number> | null;
}

/**
 * The first of the step's exchanges, or of the other places where its numbers are looked at, that can have brought the
 * difference: what came of those before it is equal. Null where no value differs.
 */
export function placeInStep({ architecture, recipe, differences, losses }: StepEvidence): string | null {
  if (differences.length === 0) return null;
  const { layers, tensors } = architecture;
  const names = new Set(differences.map(({ name }) => name));
  const isOptimizerOther = differences.some(({ name }) => name.startsWith('optimizer.'));
  const changed = tensors.filter(({ name }) => names.has(name) || names.has(`optimizer.${name}`));
  const trained = changed.filter(({ role }) => isTrained(role));
  const isLossOther = losses !== null && !Object.is(losses[0], losses[1]);
  // Nothing but averages: the moments that they come of were right, or there would be other gradients.
  if (trained.length === 0 && !isLossOther) return 'update';
  const average = changed.find(({ role }) => !isTrained(role));
  const isSync = recipe.batchNorm === 'sync';
  if (average !== undefined && isSync) return `batch moments of ${layers[average.layer].name}`;
  if (isLossOther) return 'loss';
  const hasState = parseOptimizer(recipe.optimizer, 'optimizer').options.momentum !== 0;
  if (hasState && !isOptimizerOther) return 'update';
  // Everything below a batch normalisation, and nothing from it on: what came back through it was wrong.
  const highest = Math.max(...trained.map(({ layer }) => layer));
  const norm = tensors.find(({ role, layer }) => role === 'runningMean' && layer > highest);
  const below = tensors.filter(({ role, layer }) => isTrained(role) && layer < (norm?.layer ?? 0));
  const isAllBelow = below.length > 0 && below.every((tensor) => trained.includes(tensor));
  if (norm !== undefined && isSync && isAllBelow) return `batch gradient sums of ${layers[norm.layer].name}`;
  return 'gradient';
}
