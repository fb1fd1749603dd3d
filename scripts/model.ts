/** A finished model: what `train` gives back and `loadModel` reads. */

import { existsSync } from 'node:fs';
import { type Checkpoint, checkpointFormat, decodeCheckpoint } from '../coordinator/checkpoint.ts';
import { writeDurably } from '../coordinator/durable-file.ts';
import { Inference } from '../coordinator/inference.ts';
import { readRegularFile, shownPath } from '../shared/data/regular-file.ts';
import { dataError, quoted, usageError } from '../shared/errors.ts';
import { type LoadedKernels, loadKernels } from '../shared/kernels/load.ts';
import type { Architecture } from '../shared/model/architecture.ts';
import { evaluationShard } from '../shared/model/memory-plan.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  modelTensors,
  type SafetensorsFile,
  snapshotFrom,
} from '../shared/model/safetensors.ts';
import { type Snapshot, weightsDigest, withFreshStats } from '../shared/model/snapshot.ts';
import type { Prediction } from '../shared/predictor.ts';
import { canonicalJson, type Recipe, recipeId } from '../shared/recipe/recipe.ts';
import { architectureOf, parseStoredRecipe } from '../shared/recipe/stored.ts';
import { version } from '../shared/version.ts';
import { modelPath } from './model-path.ts';
import { encodeOnnx } from './onnx/export.ts';

/** A model file may have this many bytes; the largest model that can be trained has fewer. */
const largestFile = 2 ** 31 - 1;

export class TrainedModel {
  /** What it was trained by, data and all. */
  readonly recipe: Recipe;
  readonly snapshot: Snapshot;
  /** SHA-256 of all weights and running statistics. */
  readonly weightsDigest: string;
  #inference: Inference | undefined;

  constructor(recipe: Recipe, snapshot: Snapshot) {
    this.recipe = recipe;
    this.snapshot = snapshot;
    this.weightsDigest = weightsDigest(snapshot);
  }

  get architecture(): Architecture {
    return architectureOf(this.recipe.model, 'model');
  }

  /**
   * Predicts images, each (28, 28) bytes, one behind the other, bright digits on a dark ground as in MNIST.
   * @throws LockstepError (USAGE) when the number of bytes is no multiple of 784
   */
  predict(images: Uint8Array): Prediction[] {
    this.#inference ??= this.inference(loadKernels('auto'), evaluationShard);
    return this.#inference.predict(images);
  }

  /** The model over a memory of its own, for `samples` samples in one go. */
  inference(kernels: LoadedKernels, samples: number): Inference {
    const { model, scale } = this.recipe;
    return new Inference({ text: model, scale, snapshot: this.snapshot }, kernels, samples);
  }

  /** The same weights with running means 0 and running variances 1. */
  resetRunningStats(): TrainedModel {
    return new TrainedModel(this.recipe, withFreshStats(this.architecture, this.snapshot));
  }

  /**
   * Writes a safetensors file that `torch.nn.Sequential.load_state_dict` takes as it is.
   * @throws LockstepError (OUTPUT); the file is there whole or not at all
   */
  save(path: string): void {
    writeDurably(path, this.encode());
  }

  /** The bytes of that file, in parts to be written one behind the other. */
  encode(): Uint8Array[] {
    return encodeSafetensors(this.architecture, this.snapshot, this.metadata());
  }

  /**
   * The bytes of an ONNX file (opset 17): `images`, float32 (batch, 1, 28, 28) of the bytes 0 … 255 as they are, →
   * `probabilities`, float32 (batch, 10), and `label`, int64 (batch).
   */
  toOnnx(): Uint8Array {
    const { format: _, ...metadata } = this.metadata();
    return Buffer.concat(encodeOnnx(this.architecture, this.recipe.scale, this.snapshot, metadata));
  }

  /** What the file says beside the tensors; a model file is enough to evaluate and predict. */
  metadata(): Record<string, string> {
    return {
      format: 'pt',
      lockstep: version,
      recipe: canonicalJson(this.recipe),
      recipeId: recipeId(this.recipe),
      weightsDigest: this.weightsDigest,
    };
  }
}

/**
 * Reads a model that Lockstep wrote: its file, a checkpoint, or a run folder.
 * @throws LockstepError (USAGE) when it is not there, (DATA) when it is no such file, is damaged, or its digest
 *   is not the one it states
 */
export function loadModel(path: string): TrainedModel {
  const at = modelPath(path, 'loadModel');
  const stored = readStored(at);
  if (stored.checkpoint !== null)
    return new TrainedModel(stored.checkpoint.recipe, stored.checkpoint.state.snapshot);
  const { file } = stored;
  const recipe = parseStoredRecipe(file.metadata.recipe, at);
  const model = new TrainedModel(recipe, snapshotFrom(file, architectureOf(recipe.model, at), shownPath(at)));
  const stated = file.metadata.weightsDigest;
  if (stated !== undefined && stated !== model.weightsDigest) {
    throw dataError(
      `${shownPath(at)}: its weights have the digest ${model.weightsDigest}, its metadata say ${quoted(stated).slice(1, -1)}; the file was altered`,
    );
  }
  return model;
}

/**
 * Reads a safetensors file to start a training of this model from; who wrote it does not matter. Floats of 64 bits are
 * rounded to binary32, those of 16 bits become it exactly.
 * @throws LockstepError (USAGE) when it is not there, (DATA) when it is damaged or its tensors do not fit
 */
export function readInitial(path: string, modelText: string): Snapshot {
  const { file, checkpoint } = readStored(path);
  const tensors =
    checkpoint === null
      ? file.tensors
      : modelTensors(architectureOf(checkpoint.recipe.model, path), checkpoint.state.snapshot);
  const { metadata } = file;
  return snapshotFrom({ tensors, metadata }, architectureOf(modelText, 'model'), shownPath(path));
}

/** Any safetensors file, and what it holds if it is a checkpoint. */
export interface StoredFile {
  readonly file: SafetensorsFile;
  readonly checkpoint: Checkpoint | null;
}

/** @throws LockstepError (USAGE) when it is not there, (DATA) when it is not whole */
export function readStored(path: string): StoredFile {
  if (!existsSync(path)) throw usageError(`there is no ${shownPath(path)}, expected a safetensors file`);
  const bytes = readRegularFile(path, largestFile);
  const file = decodeSafetensors(bytes, shownPath(path));
  const isCheckpoint = file.metadata.format === checkpointFormat;
  return { file, checkpoint: isCheckpoint ? decodeCheckpoint(bytes, path) : null };
}
