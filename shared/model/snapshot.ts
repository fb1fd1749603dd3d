/** A copy of a model's tensors in file order, and its two digests. */
import { bytesOf, sha256 } from '../digest.ts';
import type { Architecture } from './architecture.ts';
import { isTrained, packTensor, type Tensor, unpackTensor } from './tensors.ts';

export interface Snapshot {
  /** Values by tensor name, in model order; a weight row by row as (out, in). */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** `num_batches_tracked` by name, in model order. */
  readonly counters: ReadonlyMap<string, bigint>;
}

/** Names of the counters of an architecture's batch normalisations, in model order. */
export function counterNames(architecture: Pick<Architecture, 'tensors'>): string[] {
  return architecture.tensors
    .filter(({ role }) => role === 'runningVariance')
    .map(({ layer }) => `${layer}.num_batches_tracked`);
}

/** Copies the tensors out of a flat vector. */
export function takeSnapshot(
  architecture: Architecture,
  flat: Float32Array,
  counters: ReadonlyMap<string, bigint>,
): Snapshot {
  const tensors = new Map(architecture.tensors.map((tensor) => [tensor.name, unpackTensor(flat, tensor)]));
  return { tensors, counters: new Map(counters) };
}

/** Copies a snapshot of the same architecture into a flat vector. */
export function restoreSnapshot(architecture: Architecture, snapshot: Snapshot, flat: Float32Array): void {
  for (const tensor of architecture.tensors) packTensor(flat, tensor, valuesOf(snapshot, tensor));
}

/** Sets running means to 0 and running variances to 1, as they start. */
export function resetRunningStats(architecture: Architecture, flat: Float32Array): void {
  for (const tensor of architecture.tensors) {
    if (isTrained(tensor.role)) continue;
    const values = new Float32Array(tensor.shape[0]).fill(tensor.role === 'runningVariance' ? 1 : 0);
    packTensor(flat, tensor, values);
  }
}

/** The data section of the model's file: the F32 tensors in model order, then the I64 ones, little-endian. */
export function dataSection(snapshot: Snapshot): Uint8Array[] {
  const counters = BigInt64Array.from(snapshot.counters.values());
  return [...[...snapshot.tensors.values()].map(bytesOf), bytesOf(counters)];
}

/** SHA-256 of the data section. */
export function weightsDigest(snapshot: Snapshot): string {
  return sha256(...dataSection(snapshot));
}

/** Everything beside the model that a resume needs. */
export interface TrainingState {
  /** The optimizer's state, as long as the flat vector. */
  readonly optimizer: Float32Array;
  /** Epochs done, and steps done in the one after them. */
  readonly epoch: number;
  readonly step: number;
  /** Sum of loss · samples over the steps of an epoch that has begun, in step order; 0 between epochs. */
  readonly lossSum: number;
  /** Null where the recipe does not stop early, as if it were left out. */
  readonly stopping?: StoppingState | null;
}

/** Where early stopping stands, with the best model so far. */
export interface StoppingState {
  /** The monitored number of the best epoch, and that epoch; null before the first. */
  readonly best: { readonly value: number; readonly epoch: number; readonly snapshot: Snapshot } | null;
  /** Epochs since then that were not better. */
  readonly worse: number;
}

/**
 * SHA-256 of the data section, then the optimizer's state of each trained tensor in model and file order (binary32),
 * then epoch, step and lossSum (binary64). Where the recipe stops early there follow the epochs that were not better, and
 * if there is a best one its epoch, its number (binary64) and its data section.
 */
export function stateDigest(architecture: Architecture, snapshot: Snapshot, state: TrainingState): string {
  const optimizer = architecture.tensors
    .filter(({ role }) => isTrained(role))
    .map((tensor) => bytesOf(unpackTensor(state.optimizer, tensor)));
  const cursor = Float64Array.of(state.epoch, state.step, state.lossSum);
  return sha256(...dataSection(snapshot), ...optimizer, bytesOf(cursor), ...stoppingSection(state.stopping));
}

function stoppingSection(stopping: StoppingState | null | undefined): Uint8Array[] {
  if (!stopping) return [];
  const { worse, best } = stopping;
  if (best === null) return [bytesOf(Float64Array.of(worse))];
  return [bytesOf(Float64Array.of(worse, best.epoch, best.value)), ...dataSection(best.snapshot)];
}

function valuesOf(snapshot: Snapshot, tensor: Tensor): Float32Array {
  const values = snapshot.tensors.get(tensor.name);
  if (values === undefined) throw new Error(`the snapshot has no ${tensor.name}`);
  return values;
}

/** The same model with running means 0, running variances 1 and counters 0. */
export function withFreshStats(architecture: Architecture, snapshot: Snapshot): Snapshot {
  const flat = new Float32Array(architecture.flatSize);
  restoreSnapshot(architecture, snapshot, flat);
  resetRunningStats(architecture, flat);
  return takeSnapshot(architecture, flat, new Map(counterNames(architecture).map((name) => [name, 0n])));
}
