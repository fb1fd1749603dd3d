/**
 * A checkpoint: everything that a run needs to go on, as one safetensors file. It begins as the model's own file does,
 * with the same tensors under the same names; behind them come `optimizer.<name>`, `best.<name>`, and what was reported
 * of the epochs, one tensor a number (`epochs.loss`), so that the header stays short however many they are.
 */
import { createHash } from 'node:crypto';
import { shownPath } from '../shared/data/regular-file.ts';
import { dataError, quoted } from '../shared/errors.ts';
import type { Architecture } from '../shared/model/architecture.ts';
import {
  decodeSafetensors,
  encodeTensors,
  modelTensors,
  type StoredTensor,
  snapshotFrom,
} from '../shared/model/safetensors.ts';
import { type Snapshot, stateDigest, weightsDigest } from '../shared/model/snapshot.ts';
import { isTrained, packTensor, unpackTensor } from '../shared/model/tensors.ts';
import { canonicalJson, type Recipe, recipeId } from '../shared/recipe/recipe.ts';
import { architectureOf, parseStoredRecipe } from '../shared/recipe/stored.ts';
import { version } from '../shared/version.ts';
import { isDigest } from './chain.ts';
import { epochTensors, readEpochs } from './epoch-tensors.ts';
import type { RunState } from './run-state.ts';

export interface Checkpoint {
  readonly recipe: Recipe;
  readonly state: RunState;
}

/** What a checkpoint says that it is, under `format` in its metadata. */
export const checkpointFormat = 'lockstep-checkpoint-1';
/** The header begins with the hash of the whole file, so that its place is known before anything is believed. */
const opening = '{"__metadata__":{"sha256":"';
const hashDigits = 64;
const noHash = '0'.repeat(hashDigits);
const hashBegin = 8 + opening.length;
const hashEnd = hashBegin + hashDigits;
/** What OpenSSL takes in one go. */
const longestHashed = 2 ** 30;

/**
 * The bytes of a checkpoint, in parts to be written one behind the other. They share no memory with the optimizer's
 * state; the snapshots' tensors are taken as they are and must not change until the parts are written.
 */
export function encodeCheckpoint(architecture: Architecture, recipe: Recipe, state: RunState): Uint8Array[] {
  const { stopping } = state;
  const tensors = new Map([
    ...modelTensors(architecture, state.snapshot),
    ...prefixed(
      'optimizer.',
      modelTensors(trainedPart(architecture), optimizerSnapshot(architecture, state)),
    ),
    ...prefixed('best.', stopping?.best ? modelTensors(architecture, stopping.best.snapshot) : []),
    ...prefixed('epochs.', epochTensors(state.epochs)),
  ]);
  const metadata = { sha256: noHash, ...describe(architecture, recipe, state), lockstep: version };
  const parts = encodeTensors(tensors, metadata);
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  parts[1].set(Buffer.from(hash.digest('hex')), opening.length);
  return parts;
}

/**
 * Reads a checkpoint. The values may be views of the bytes, which belong to the result from now on.
 * @param path for messages, as it is
 * @throws LockstepError (DATA) with the first reason why this is not a whole and unaltered checkpoint
 */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  const where = shownPath(path);
  checkHash(bytes, where);
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const refuse = (what: string): never => {
    throw dataError(`${where}: ${what}; it was not written by this version of Lockstep`);
  };
  if (metadata.format !== checkpointFormat) {
    return refuse(`its format is ${quoted(String(metadata.format))}, expected ${quoted(checkpointFormat)}`);
  }
  const recipe = parseStoredRecipe(metadata.recipe, path);
  const architecture = architectureOf(recipe.model, where);
  const state = readState(architecture, split(tensors), metadata, where, refuse);
  // What the tensors hold must be what the metadata say, to the letter, digests and all.
  for (const [name, expected] of Object.entries(describe(architecture, recipe, state))) {
    if (metadata[name] !== expected) {
      refuse(
        `its ${name} is ${quoted(String(metadata[name]))}, by its contents expected ${quoted(expected)}`,
      );
    }
  }
  return { recipe, state };
}

function checkHash(bytes: Uint8Array, where: string): void {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, hashEnd));
  if (begin.length < hashEnd) {
    throw dataError(`${where}: has ${bytes.length} bytes, expected a checkpoint; it was cut off`);
  }
  if (begin.toString('latin1', 8, hashBegin) !== opening) {
    throw dataError(`${where}: does not begin as a checkpoint does; it is another file or was altered`);
  }
  const hash = createHash('sha256').update(bytes.subarray(0, hashBegin)).update(noHash);
  for (let at = hashEnd; at < bytes.length; at += longestHashed) {
    hash.update(bytes.subarray(at, at + longestHashed));
  }
  const found = hash.digest('hex');
  const stated = begin.toString('latin1', hashBegin, hashEnd);
  if (found !== stated) {
    throw dataError(
      `${where}: its bytes have the SHA-256 ${found}, it states ${quoted(stated)}; it was cut off or altered`,
    );
  }
}

/** What the metadata say of a state, in words that follow from it alone. */
function describe(architecture: Architecture, recipe: Recipe, state: RunState): Record<string, string> {
  const { epoch, step, lossSum, stopping, chain } = state;
  const best = stopping?.best ? { epoch: stopping.best.epoch, value: stopping.best.value } : null;
  return {
    format: checkpointFormat,
    recipe: canonicalJson(recipe),
    recipeId: recipeId(recipe),
    weightsDigest: weightsDigest(state.snapshot),
    stateDigest: stateDigest(architecture, state.snapshot, state),
    // The shortest decimal that means a number is exact; no sum that began with +0 is −0, which JSON would lose.
    cursor: JSON.stringify({ epoch, step, lossSum }),
    stopping: JSON.stringify(stopping && { worse: stopping.worse, best }),
    chain,
  };
}

type Refuse = (what: string) => never;

/** Tensors by what they belong to, under the names that they have there. */
type Groups = Record<'model' | 'optimizer' | 'best' | 'epochs', Map<string, StoredTensor>>;

function split(tensors: ReadonlyMap<string, StoredTensor>): Groups {
  const groups: Groups = { model: new Map(), optimizer: new Map(), best: new Map(), epochs: new Map() };
  for (const [name, tensor] of tensors) {
    const kind = (['optimizer', 'best', 'epochs'] as const).find((prefix) => name.startsWith(`${prefix}.`));
    groups[kind ?? 'model'].set(kind === undefined ? name : name.slice(kind.length + 1), tensor);
  }
  return groups;
}

function readState(
  architecture: Architecture,
  groups: Groups,
  metadata: Readonly<Record<string, string>>,
  where: string,
  refuse: Refuse,
): RunState {
  const cursor = readCursor(metadata.cursor, refuse);
  const stopping = readStopping(metadata.stopping, refuse);
  const trained = trainedPart(architecture);
  const snapshot = snapshotFrom({ tensors: groups.model, metadata }, architecture, where);
  const state = snapshotFrom({ tensors: groups.optimizer, metadata }, trained, `${where}: optimizer`);
  const optimizer = new Float32Array(architecture.flatSize);
  for (const tensor of trained.tensors) {
    packTensor(optimizer, tensor, state.tensors.get(tensor.name) ?? new Float32Array());
  }
  const { chain } = metadata;
  if (!isDigest(chain)) refuse(`its chain is ${quoted(String(chain))}, expected 64 hexadecimal digits`);
  if (!stopping?.best && groups.best.size > 0) refuse('it has a best model, its stopping has none');
  return {
    ...cursor,
    snapshot,
    optimizer,
    epochs: readEpochs(groups.epochs, cursor.epoch, refuse),
    stopping: stopping && {
      worse: stopping.worse,
      best: stopping.best && {
        ...stopping.best,
        snapshot: snapshotFrom({ tensors: groups.best, metadata }, architecture, `${where}: best`),
      },
    },
    chain,
  };
}

function readCursor(text: string, refuse: Refuse): Pick<RunState, 'epoch' | 'step' | 'lossSum'> {
  const { epoch, step, lossSum } = readObject(text, 'cursor', refuse);
  if (!isCount(epoch) || !isCount(step) || !isNumber(lossSum)) {
    return refuse(`its cursor is ${quoted(text)}, expected epoch, step and lossSum`);
  }
  return { epoch, step, lossSum };
}

interface StoredStopping {
  readonly worse: number;
  readonly best: { readonly epoch: number; readonly value: number } | null;
}

function readStopping(text: string, refuse: Refuse): StoredStopping | null {
  if (text === 'null') return null;
  const wrong = () => refuse(`its stopping is ${quoted(text)}, expected worse and best`);
  const { worse, best } = readObject(text, 'stopping', refuse);
  if (!isCount(worse) || typeof best !== 'object') return wrong();
  if (best === null) return { worse, best };
  const { epoch, value } = best as Record<string, unknown>;
  return isCount(epoch) && isNumber(value) ? { worse, best: { epoch, value } } : wrong();
}

/** A cursor and a stopping have a few numbers; JSON of any length could take many times its size. */
const longestObject = 1000;

function readObject(text: string | undefined, name: string, refuse: Refuse): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text?.slice(0, longestObject) ?? 'nothing');
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below, as for anything else that is not an object
  }
  return refuse(`its ${name} is ${quoted(String(text))}, expected a JSON object`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isNumber = (value: unknown): value is number => Number.isFinite(value);

/** The tensors that have a state of the optimizer. */
function trainedPart({ text, tensors }: Architecture): Pick<Architecture, 'text' | 'tensors'> {
  return { text, tensors: tensors.filter(({ role }) => isTrained(role)) };
}

function optimizerSnapshot(architecture: Architecture, { optimizer }: RunState): Snapshot {
  const values = trainedPart(architecture).tensors.map(
    (tensor) => [tensor.name, unpackTensor(optimizer, tensor)] as const,
  );
  return { tensors: new Map(values), counters: new Map() };
}

function prefixed(
  prefix: string,
  tensors: Iterable<readonly [string, StoredTensor]>,
): [string, StoredTensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}
