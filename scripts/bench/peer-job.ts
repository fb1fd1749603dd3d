/** The same training for others: the same network from the same values, on the same data, as files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import { classCount, type DatasetSource, imageShape } from '../../shared/data/dataset.ts';
import { idxHeader } from '../../shared/data/idx.ts';
import { shownPath, systemReason } from '../../shared/data/regular-file.ts';
import type { Scale } from '../../shared/data/scale.ts';
import { LockstepError } from '../../shared/errors.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { type LayerSpec, parseArchitecture } from '../../shared/model/architecture.ts';
import { featureCount } from '../../shared/model/layer.ts';
import { parseOptimizer } from '../../shared/model/optimizer.ts';
import { takeSnapshot } from '../../shared/model/snapshot.ts';
import type { Draft, Label } from '../../shared/recipe/resolve.ts';
import { soloGroup } from '../../shared/reduction/group.ts';
import { Training } from '../../shared/training.ts';
import { TrainedModel } from '../model.ts';
import type { PeerJob, PeerLayer } from './peers/protocol.ts';

/** A byte x becomes (x ÷ 255 − mean) · factor, as shared/data/scale.ts has it. */
const scales: Readonly<Record<Scale, PeerJob['scale']>> = {
  signed: { mean: 0.5, factor: 2 },
  standard: { mean: 0.1307, factor: 1 / 0.3081 },
  unit: { mean: 0, factor: 1 },
};

export interface PeerTask {
  readonly job: PeerJob;
  /** Our mean loss of the first batch in file order, before any update; theirs has to be nearly the same. */
  readonly firstLoss: number;
}

/** Why others cannot train this recipe, or null if they can. */
export function peerObstacle({ model, optimizer, batchNorm }: Draft): string | null {
  const { nesterov, weightDecay } = parseOptimizer(optimizer, 'optimizer').options;
  if (nesterov || weightDecay !== 0) return `the optimizer ${optimizer}`;
  const layers = layersOf(model);
  if (batchNorm === 'ghost' && layers.some(({ text }) => nameOf(text) === 'batchnorm'))
    return 'batch norm of each shard';
  const odd = layers.find(({ text }) => !text.startsWith('dense') && !(nameOf(text) in peerKinds));
  return odd === undefined ? null : `the layer ${odd.text}`;
}

/**
 * Writes a group's data and initial values into a folder.
 * @throws LockstepError (USAGE, DATA, OUTPUT)
 */
export async function writePeerTask(
  draft: Draft,
  {
    source,
    kernels,
    label,
    folder,
  }: { source: DatasetSource; kernels: LoadedKernels; label: Label; folder: string },
): Promise<PeerTask> {
  const layers = layersOf(draft.model);
  const model = layers.map(({ text }) => text).join(' ');
  const run = await prepareRun({
    draft: { ...draft, model },
    source,
    kernels,
    threads: 1,
    initial: null,
    label,
  });
  const { architecture, plan, memory, counters, recipe } = run;
  const flat = new Float32Array(memory.buffer, plan.replicas[0].flat, architecture.flatSize);
  const [weights, images, labels] = ['weights.safetensors', 'images', 'labels'].map((name) =>
    join(folder, name),
  );
  new TrainedModel(recipe, takeSnapshot(architecture, flat, counters)).save(weights);
  const { samples, images: pixels, labels: digits } = plan.train;
  const count = samples * featureCount(imageShape);
  writeIdx(images, 'images', samples, new Uint8Array(memory.buffer, pixels, count));
  writeIdx(labels, 'labels', samples, new Uint8Array(memory.buffer, digits, samples));
  const { lr, momentum } = parseOptimizer(draft.optimizer, 'optimizer').options;
  const { batchSize, scale } = draft;
  return {
    job: {
      images,
      labels,
      weights,
      scale: scales[scale],
      samples,
      batchSize,
      layers: layers.map(peerLayer),
      learningRate: Number(lr),
      momentum: Number(momentum),
    },
    firstLoss: firstLossOf(run),
  };
}

/** The layers that do something: an affine layer that changes nothing is left out. */
function layersOf(model: string): LayerSpec[] {
  const { layers } = parseArchitecture(model, imageShape, classCount, 'model');
  return layers.filter(({ text }) => text !== 'affine');
}

/** All but dense layers, by name. */
const peerKinds: Readonly<Record<string, (options: LayerSpec['options']) => PeerLayer>> = {
  sigmoid: () => ({ kind: 'sigmoid' }),
  relu: () => ({ kind: 'relu' }),
  tanh: () => ({ kind: 'tanh' }),
  batchnorm: ({ momentum, epsilon }) => ({
    kind: 'batchnorm',
    momentum: Number(momentum),
    epsilon: Number(epsilon),
  }),
};

function peerLayer({ text, options }: LayerSpec): PeerLayer {
  const make = peerKinds[nameOf(text)];
  return make === undefined ? { kind: 'dense', units: Number(options.units) } : make(options);
}

function nameOf(text: string): string {
  return text.split('(')[0];
}

/** Takes one step over a memory that nobody needs any more. */
function firstLossOf({ setup, kernels, memory, plan, samples }: Run): number {
  new Uint32Array(memory.buffer, plan.order, samples.length).set(samples);
  let first = Number.NaN;
  const training = new Training(setup, kernels, memory, 0, 1);
  training.nonFinite.clear();
  training.trainSteps(soloGroup(), 0, 1, {
    committed: 0,
    begin: () => {},
    commit: (_step, { loss }) => {
      first = loss;
      return false;
    },
  });
  return first;
}

/** From shared memory, which cannot be written to a file as it is. */
function writeIdx(path: string, kind: 'images' | 'labels', samples: number, payload: Uint8Array): void {
  try {
    writeFileSync(path, Buffer.concat([idxHeader(kind, samples), payload]));
  } catch (error) {
    throw unwritableTask(path, error);
  }
}

/** What others are to read cannot be written. */
export function unwritableTask(path: string, cause: unknown): LockstepError {
  return new LockstepError(
    'OUTPUT',
    `cannot write the files for other libraries to ${shownPath(path)} (${systemReason(cause)}); set TMPDIR (on ` +
      'Windows TEMP) to a folder that can be written to, or leave out --peers',
    { cause },
  );
}
