/** What rank 0 of a job goes on from, as it gives it to the other ranks: a length, JSON of that length, and a checkpoint. */
import { decodeCheckpoint, encodeCheckpoint } from '../coordinator/checkpoint.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { isErrorCode, LockstepError, reasonOf } from '../shared/errors.ts';
import { canonicalJson, type Recipe } from '../shared/recipe/recipe.ts';
import { architectureOf, parseStoredRecipe } from '../shared/recipe/stored.ts';

/** What rank 0 goes on from, as every rank needs it. */
export interface SharedStart {
  readonly recipe: Recipe;
  readonly state: RunState | null;
  readonly data: string | null;
  readonly isFinished: boolean;
}

/** What rank 0 found: a start, null for a run that begins, or why it cannot. */
export interface Attempt {
  readonly value: SharedStart | null;
  readonly error?: LockstepError;
}

const lengthBytes = 4;
const source = 'rank 0';

/** The bytes of it, in parts to be sent one behind the other. */
export function encodeStart({ value, error }: Attempt): Uint8Array[] {
  const checkpoint =
    value?.state == null
      ? []
      : encodeCheckpoint(architectureOf(value.recipe.model, 'model'), value.recipe, value.state);
  const told = {
    recipe: value === null ? null : canonicalJson(value.recipe),
    data: value?.data ?? null,
    isFinished: value?.isFinished ?? false,
    error: error === undefined ? null : { code: error.code, message: error.message },
    checkpointBytes: checkpoint.reduce((sum, part) => sum + part.length, 0),
  };
  const text = Buffer.from(JSON.stringify(told));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(text.length);
  return [length, text, ...checkpoint];
}

/**
 * Reads what rank 0 gave; null for a run that begins. The values may be views of the bytes.
 * @throws LockstepError the error that rank 0 met; LockstepError (MPI) where the bytes are not what rank 0 gives
 */
export function decodeStart(bytes: Uint8Array): SharedStart | null {
  const { value, error } = readAttempt(bytes);
  if (error !== undefined) throw error;
  return value;
}

function readAttempt(bytes: Uint8Array): Attempt {
  try {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = all.length < lengthBytes ? Number.POSITIVE_INFINITY : lengthBytes + all.readUInt32LE(0);
    if (end > all.length) throw new Error(`${all.length} bytes, expected more`);
    const told: unknown = JSON.parse(all.toString('utf8', lengthBytes, end));
    if (!isTold(told)) throw new Error('its JSON has other fields');
    const left = all.length - end;
    if (left !== told.checkpointBytes) {
      throw new Error(`a checkpoint of ${left} bytes, expected ${told.checkpointBytes}`);
    }
    const { recipe, data, isFinished, error } = told;
    if (error !== null) return { value: null, error: new LockstepError(error.code, error.message) };
    if (recipe === null) return { value: null };
    const state = left === 0 ? null : decodeCheckpoint(all.subarray(end), source).state;
    return { value: { recipe: parseStoredRecipe(recipe, source), state, data, isFinished } };
  } catch (error) {
    throw new LockstepError(
      'MPI',
      `what ${source} goes on from did not come as it was sent (${reasonOf(error)}); start the job again`,
      { cause: error },
    );
  }
}

interface Told {
  /** Canonical JSON. */
  readonly recipe: string | null;
  readonly data: string | null;
  readonly isFinished: boolean;
  readonly error: Pick<LockstepError, 'code' | 'message'> | null;
  readonly checkpointBytes: number;
}

function isTold(value: unknown): value is Told {
  if (!isObject(value)) return false;
  const { recipe, data, isFinished, error, checkpointBytes } = value;
  const isError =
    error === null ||
    (isObject(error) &&
      typeof error.code === 'string' &&
      isErrorCode(error.code) &&
      typeof error.message === 'string');
  return (
    [recipe, data].every((one) => one === null || typeof one === 'string') &&
    typeof isFinished === 'boolean' &&
    typeof checkpointBytes === 'number' &&
    isError
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
