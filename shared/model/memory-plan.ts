/**
 * Where everything lies in the one memory of a process. The plan is a pure function of sizes, so every thread
 * works it out for itself.
 */

import { reasonOf, usageError } from '../errors.ts';
import { panelBytes, panelCount, stackBytes } from '../kernels/kernels.ts';
import { type SharedMemory, wasm } from '../kernels/webassembly.ts';
import type { Replica } from '../reduction/span.ts';
import type { Architecture } from './architecture.ts';
import { featureCount, type Matrix } from './layer.ts';
import { ruleBytes } from './optimizer.ts';
import { type JobRank, planRanks, type RankPlace, type RankSizes } from './rank-plan.ts';
import { gradientLayout, valueCount } from './tensors.ts';

export interface Sizes {
  /** Samples of the two splits; 0 where there is none. */
  readonly samples: { readonly train: number; readonly test: number };
  /** Samples of an epoch. */
  readonly epochSamples: number;
  readonly batchSize: number;
  readonly shardSize: number;
  readonly threads: number;
  /** True for a worker's team, whose partials and totals travel. */
  readonly isRemote?: boolean;
  /** Of the ranks of a job that share every batch: this one and how many there are. */
  readonly ranks?: JobRank | undefined;
}

export interface SplitPlace {
  readonly samples: number;
  readonly images: number;
  readonly labels: number;
}

/** Where partials and totals lie that travel between processes. */
export interface ExchangePlace {
  /** Totals of batch normalisation by exchange, so many bytes each; the last one of a step is in the gradient's room. */
  readonly totals: number;
  readonly totalBytes: number;
  /** The partials of `outboxSlots` tree nodes on their way out, so many bytes each. */
  readonly outbox: number;
  readonly slotBytes: number;
  /** The tree nodes of a command, pairs of u32. */
  readonly nodes: number;
}

/** What one thread has for itself. */
export interface ThreadPlace {
  /** The model's input: one of its own if `byColumns`, else that of all. */
  readonly input: Matrix;
  readonly stack: number;
  /** By layer, as its workspace asks. */
  readonly layers: readonly number[];
  /** The total of the batch's losses. */
  readonly loss: number;
  /** The checksum of what it wrote in an update, 64 bits. */
  readonly checksum: number;
}

/** Byte offsets, all multiples of 64. */
export interface MemoryPlan {
  /** Bytes in all. */
  readonly bytes: number;
  /** Words for the team's barrier, commands and accounts (worker/control.ts). */
  readonly control: number;
  /** The two words that note where a step met NaN or infinity. */
  readonly nonFinite: number;
  /** True if threads divide the first layer's columns: each of them gathers the rows of all. */
  readonly byColumns: boolean;
  /** Most shards of a batch. */
  readonly shardCount: number;
  readonly train: SplitPlace;
  readonly test: SplitPlace;
  /** The epoch's order, u32 sample numbers. */
  readonly order: number;
  /** The scaled values of the 256 byte values. */
  readonly scaleTable: number;
  /** The optimizer's numbers. */
  readonly rule: number;
  /** Flat vectors and optimizer states, each twice: the step reads one and writes the other. */
  readonly replicas: readonly Replica[];
  /**
   * Room for a total gradient as long as the flat vector, and the sum of the losses behind it; in a process of its own
   * those of weights are not stored.
   */
  readonly gradient: number;
  /** Null in a process of its own. */
  readonly exchange: ExchangePlace | null;
  /** Null where no ranks share the batches. */
  readonly ranks: RankPlace | null;
  /** Activations: the model's input (of thread 0 if `byColumns`), then each layer's output. */
  readonly activations: readonly Matrix[];
  /** The gradients of these; null for the input of the model if nobody wants it. */
  readonly activationGradients: readonly (Matrix | null)[];
  /** By layer. */
  readonly layersShared: readonly number[];
  readonly threads: readonly ThreadPlace[];
  /** Shards that are evaluated at a time, each in 128 rows of the activations. */
  readonly evaluationSlots: number;
  /**
   * Slots of `lossSlotBytes`, by shard of the batch, and by shard of 128 of the larger split: the sum of its losses, how
   * many of its samples were predicted right, and zeros.
   */
  readonly batchLosses: number;
  readonly evaluationLosses: number;
  /** Predicted labels of a split, bytes. */
  readonly predictions: number;
  /** Most steps of an epoch. */
  readonly stepCount: number;
  /**
   * Of each step of an epoch: its average loss and how many samples were predicted right (f32), the seconds it took
   * (f64), and the checksum of its update (u64).
   */
  readonly stepLosses: number;
  readonly stepCorrect: number;
  readonly stepSeconds: number;
  readonly stepChecksums: number;
  /** By thread: the timelines of steps that it recorded (worker/recording.ts). */
  readonly recordings: readonly number[];
}

/** Samples of a shard in evaluation, for every recipe. */
export const evaluationShard = 128;
/** A loss and what is counted with it take a whole vector, so that the kernels that merge sums can merge them. */
export const lossSlotBytes = panelBytes;
/** Partials that a team merges at a time for sending, and tree nodes that it can hold of one step. */
export const outboxSlots = 4;
export const mostNodes = 256;
/** Bytes for `control`: words for the team, and some for each thread. */
export const controlBytes = (threads: number): number => 1024 + 128 * threads;
/** For timelines: steps that a thread records before somebody takes them, segments of each, bytes in all. */
export const recordedSteps = 16;
export const recordedSegments = 96;
export const recordingBytes = 64 + recordedSteps * 8 * (3 + 2 * recordedSegments);

/** WebAssembly's memory has 32-bit addresses. */
const largestMemory = 2 ** 32 - 2 ** 16;

/**
 * Plans the memory.
 * @throws LockstepError (USAGE) when it would not fit in 4 GiB
 */
export function planMemory(architecture: Architecture, sizes: Sizes): MemoryPlan {
  let next = 1024; // 0 means "none" to the kernels
  const take = (bytes: number): number => {
    const offset = next;
    next += Math.ceil(bytes / 64) * 64;
    return offset;
  };
  const split = (samples: number): SplitPlace => ({
    samples,
    images: take(samples * featureCount(architecture.input)),
    labels: take(samples),
  });
  const { layers } = architecture;
  const widths = [architecture.input, ...layers.map(({ output }) => output)].map(featureCount);
  const batchSize = Math.min(sizes.batchSize, Math.max(sizes.epochSamples, 1));
  const evaluationShards = Math.ceil(Math.max(sizes.samples.train, sizes.samples.test, 1) / evaluationShard);
  const evaluationSlots = Math.min(sizes.threads, evaluationShards);
  const rows = Math.max(batchSize, evaluationSlots * evaluationShard);
  const shardCount = Math.ceil(batchSize / sizes.shardSize);
  const stepCount = Math.ceil(sizes.epochSamples / batchSize);
  const largestSplit = Math.max(sizes.samples.train, sizes.samples.test, sizes.threads * evaluationShard);
  // An odd number of rows: panels at a power of two from each other would fall into the same lines of a cache.
  const stride = panelBytes * (rows | 1);
  const matrix = (width: number): Matrix => {
    const panels = panelCount(width);
    return { offset: take(panels * stride), stride, width, panels };
  };
  const exchangePlace = (width: number, layerCount: number): ExchangePlace => {
    const totalBytes = 2 * panelCount(width) * panelBytes;
    const slotBytes = 4 * architecture.flatSize + lossSlotBytes;
    return {
      totals: take(2 * layerCount * totalBytes),
      totalBytes,
      outbox: take(outboxSlots * slotBytes),
      slotBytes,
      nodes: take(8 * mostNodes),
    };
  };
  const workspaces = layers.map(({ kind, input, output }, i) =>
    kind.workspace({ input, output, shardCount, isFirst: i === 0 }),
  );

  const control = take(controlBytes(sizes.threads));
  const nonFinite = take(8);
  const scaleTable = take(256 * 4);
  const rule = take(ruleBytes);
  const flatBytes = 4 * architecture.flatSize;
  // Also room for any tensor in file order, when values are drawn or read.
  const fileBytes = 4 * Math.max(0, ...architecture.tensors.map(valueCount));
  const totalBytes = Math.max(flatBytes + lossSlotBytes, fileBytes);
  const ofRanks =
    sizes.ranks === undefined
      ? null
      : planRanks(rankSizes(architecture, sizes, sizes.ranks, flatBytes, totalBytes), take);
  const { replicas, gradient } = ofRanks?.seen ?? {
    replicas: [0, 1].map(() => ({ flat: take(flatBytes), state: take(flatBytes) })),
    gradient: take(totalBytes),
  };
  const ranks = ofRanks?.place ?? null;
  const exchange = sizes.isRemote === true ? exchangePlace(Math.max(...widths), widths.length) : null;
  const activations = widths.map(matrix);
  const activationGradients = gradientMatrices(architecture, (i) => matrix(widths[i]));
  const layersShared = workspaces.map(({ shared }) => take(shared));
  // A worker's threads have parts of a batch that may change in the middle of a step.
  const ownRows = Math.ceil(batchSize / (sizes.ranks?.count ?? 1));
  const byColumns = sizes.isRemote !== true && isByColumns(architecture, ownRows, sizes.threads);
  const threads = Array.from({ length: sizes.threads }, (_, rank) => ({
    input: byColumns && rank > 0 ? matrix(widths[0]) : activations[0],
    stack: take(stackBytes),
    layers: workspaces.map(({ own }) => take(own)),
    loss: take(lossSlotBytes),
    checksum: take(8),
  }));
  const batchLosses = take(shardCount * lossSlotBytes);
  const evaluationLosses = take(Math.ceil(largestSplit / evaluationShard) * lossSlotBytes);
  const predictions = take(largestSplit);
  const stepLosses = take(4 * stepCount);
  const stepCorrect = take(4 * stepCount);
  const stepSeconds = take(8 * stepCount);
  const stepChecksums = take(8 * stepCount);
  const order = take(4 * sizes.epochSamples);
  const recordings = Array.from({ length: sizes.threads }, () => take(recordingBytes));
  const train = split(sizes.samples.train);
  const test = split(sizes.samples.test);
  if (next > largestMemory) {
    throw usageError(
      `this model, batch size, data set and number of threads need ${Math.ceil(next / 2 ** 20)} MiB, ` +
        'expected at most 4095; make one of them smaller',
    );
  }
  return {
    bytes: next,
    control,
    nonFinite,
    byColumns,
    shardCount,
    train,
    test,
    order,
    scaleTable,
    rule,
    replicas,
    gradient,
    exchange,
    ranks,
    activations,
    activationGradients,
    layersShared,
    threads,
    batchLosses,
    evaluationSlots,
    evaluationLosses,
    predictions,
    stepCount,
    stepLosses,
    stepCorrect,
    stepSeconds,
    stepChecksums,
    recordings,
  };
}

/** The places of what travels, in a memory that was planned for it. */
export function exchangePlaceOf({ exchange }: MemoryPlan): ExchangePlace {
  if (exchange === null) throw new Error('the memory was planned for a process of its own');
  return exchange;
}

function rankSizes(
  { layers, input, tensors }: Architecture,
  sizes: Sizes,
  ranks: JobRank,
  flatBytes: number,
  totalBytes: number,
): RankSizes {
  const widths = [input, ...layers.map(({ output }) => output)].map(featureCount);
  return {
    ...sizes,
    ranks,
    gradient: gradientLayout(tensors),
    width: Math.max(...widths),
    exchangeCount: 2 * layers.length,
    flatBytes,
    totalBytes,
  };
}

function isByColumns({ layers }: Architecture, batchSize: number, threads: number): boolean {
  return layers.length > 0 && layers[0].kind.prefersColumns({ ...layers[0], batchSize, threads });
}

/** From the last layer back: layers that work in place share the matrix of their output's gradient. */
function gradientMatrices({ layers }: Architecture, matrixOf: (i: number) => Matrix): (Matrix | null)[] {
  const gradients: (Matrix | null)[] = [matrixOf(layers.length)];
  for (let i = layers.length - 1; i >= 0; i--) {
    const wanted = layers[i].kind.inPlace ? gradients[0] : i === 0 ? null : matrixOf(i);
    gradients.unshift(wanted);
  }
  return gradients;
}

/** The shared memory for a plan. */
export function newMemory(plan: MemoryPlan): SharedMemory {
  const pages = Math.ceil(plan.bytes / 65_536);
  try {
    return new wasm.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw usageError(
      `cannot get ${Math.ceil(plan.bytes / 2 ** 20)} MiB of memory (${reasonOf(cause)}); ` +
        'make the model, the batch or the number of threads smaller',
      cause,
    );
  }
}
