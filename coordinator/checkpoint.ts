/** A checkpoint: everything that a run needs to go on, as one safetensors file. */
import type { Architecture } from '../shared/model/architecture.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import type { RunState } from './run-state.ts';

export interface Checkpoint {
  readonly recipe: Recipe;
  readonly state: RunState;
}

/**
 * The bytes of a checkpoint, in parts to be written one behind the other. They share no memory with the optimizer's
 * state; the snapshots' tensors are taken as they are and must not change until the parts are written.
 */
export function encodeCheckpoint(
  _architecture: Architecture,
  _recipe: Recipe,
  _state: RunState,
): Uint8Array[] {
  throw new Error('not yet');
}

/**
 * Reads a checkpoint. The values may be views of the bytes, which belong to the result from now on.
 * @param path for messages, as it is
 * @throws LockstepError (DATA) with the first reason why this is not a whole and unaltered checkpoint
 */
export function decodeCheckpoint(_bytes: Uint8Array, _path: string): Checkpoint {
  throw new Error('not yet');
}
