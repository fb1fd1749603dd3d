/** A model bound to memory and kernels, as one thread of a group uses it. */

import { type Kernels, panelWidth } from '../kernels/kernels.ts';
import type { SharedMemory } from '../kernels/webassembly.ts';
import type { Exchange } from '../reduction/group.ts';
import { type Span, shardRows, shardStart } from '../reduction/span.ts';
import { exchangesOf } from '../step.ts';
import type { Architecture } from './architecture.ts';
import { type BatchNormMode, type Layer, rowOf } from './layer.ts';
import { evaluationShard, lossSlotBytes, type MemoryPlan, type SplitPlace } from './memory-plan.ts';
import type { Finding, NonFinite } from './non-finite.ts';
import { bindOptimizer } from './optimizer.ts';
import { gradientLayout, type Segment, sliceOf } from './tensors.ts';

export interface ModelSettings {
  readonly architecture: Architecture;
  /** Canonical text. */
  readonly optimizer: string;
  readonly batchNorm: BatchNormMode;
}

export interface Place {
  readonly plan: MemoryPlan;
  readonly memory: SharedMemory;
  readonly kernels: Kernels;
  readonly nonFinite: NonFinite;
}

/** The exchange of the gradient, whose parts may be wanted in another place each. */
export interface GradientExchange extends Exchange {
  /** Writes the partial of tree node `lo … hi−1` of a part of a tensor to byte offset `out`. */
  mergeSegment(span: Span, lo: number, hi: number, segment: Segment, out: number): void;
  /** The same of the slot of losses behind the flat vector. */
  mergeLosses(lo: number, hi: number, out: number): void;
}

/** What came of a batch before its update. */
export interface BatchResult {
  /** Average over its samples (binary32). */
  readonly loss: number;
  /** Samples whose label was predicted. */
  readonly correct: number;
}

export class Model {
  readonly layers: readonly Layer[];
  /** The last exchange of a step. */
  readonly gradients: GradientExchange;
  /** All exchanges of a step, in order. */
  readonly exchanges: readonly Exchange[];
  /** The points of a step at which a number can turn out not to be finite, in order. */
  readonly places: readonly string[];
  /** Whether an update depends on more than parameters and gradient. */
  readonly hasState: boolean;
  readonly #plan: MemoryPlan;
  readonly #kernels: Kernels;
  readonly #nonFinite: NonFinite;
  readonly #floats: Float32Array;
  readonly #checksums: BigUint64Array;
  readonly #rank: number;
  #batch: BatchResult = { loss: Number.NaN, correct: 0 };
  /** What this thread sums, updates and checks of the flat vector. */
  readonly #slice: readonly Segment[];

  /** Binds the model for one of `size` threads; every thread has scratch and a slice of its own. */
  constructor(
    settings: ModelSettings,
    { plan, memory, kernels, nonFinite }: Place,
    rank: number,
    size: number,
  ) {
    const { architecture } = settings;
    const own = plan.threads[rank];
    this.#plan = plan;
    this.#kernels = kernels;
    this.#nonFinite = nonFinite;
    this.#floats = new Float32Array(memory.buffer);
    this.#checksums = new BigUint64Array(memory.buffer);
    this.#rank = rank;
    this.#slice = sliceOf(architecture.tensors, rank, size);
    const optimizer = bindOptimizer(settings.optimizer, kernels, memory, plan.rule, own.checksum);
    this.hasState = optimizer.hasState;
    this.layers = architecture.layers.map((spec, i) =>
      spec.kind.bind({
        kernels,
        optimizer,
        options: spec.options,
        name: spec.name,
        tensors: spec.tensors,
        input: i === 0 ? own.input : plan.activations[i],
        output: plan.activations[i + 1],
        inputGradient: plan.activationGradients[i],
        outputGradient: presentMatrix(plan.activationGradients[i + 1]),
        shared: plan.layersShared[i],
        own: own.layers[i],
        stack: own.stack,
        checksum: own.checksum,
        gradient: plan.gradient,
        shardCount: plan.shardCount,
        rank,
        threads: size,
        byColumns: i === 0 && plan.byColumns,
        batchNorm: settings.batchNorm,
        reportNonFinite: (exchange, shard) => nonFinite.report(this.places.indexOf(exchange.name), shard),
      }),
    );
    this.gradients = this.#gradientExchange(architecture);
    const nameOf = ({ name }: Exchange) => name;
    const forward = this.layers.flatMap(({ forwardExchange }) => forwardExchange ?? []);
    const backward = this.layers.toReversed().flatMap(({ backwardExchange }) => backwardExchange ?? []);
    this.exchanges = exchangesOf(this);
    this.places = [...forward.map(nameOf), 'loss', ...backward.map(nameOf), 'gradient', 'update'];
  }

  /** Brings the span's samples into the model's input, scaled; those of all threads where each has an input of its own. */
  gather(span: Span): void {
    const { train, order, scaleTable, threads, byColumns } = this.#plan;
    const { input } = threads[this.#rank];
    const from = byColumns ? span.firstTeamRow : span.firstRow;
    const to = byColumns ? span.endTeamRow : span.endRow;
    this.#kernels.gather(
      train.images,
      input.width,
      order,
      span.firstSample + from,
      to - from,
      scaleTable,
      rowOf(input, from),
      input.stride,
    );
  }

  /** Computes each shard's sum of losses, how many predictions are right, and the gradient of the logits. */
  loss(span: Span): void {
    const { train, order, activations, activationGradients, batchLosses } = this.#plan;
    const logits = activations[activations.length - 1];
    const gradient = presentMatrix(activationGradients[activations.length - 1]);
    for (let shard = span.firstShard; shard < span.endShard; shard++) {
      const row = shardStart(span, shard);
      const slot = batchLosses + shard * lossSlotBytes;
      const loss = this.#kernels.softmaxCrossEntropy(
        rowOf(logits, row),
        logits.stride,
        logits.width,
        shardRows(span, shard),
        train.labels,
        order,
        span.firstSample + row,
        span.rows,
        rowOf(gradient, row),
        slot + 4,
      );
      this.#floats[slot / 4] = loss;
      if (!Number.isFinite(loss)) this.#nonFinite.report(this.places.indexOf('loss'), shard);
    }
  }

  /** What came of the batch that went through `gradients` last; on rank 0 only. */
  get batch(): BatchResult {
    return this.#batch;
  }

  /** Sums the gradient of this thread's slice and writes the slice's new values beside the old ones. */
  update(span: Span): void {
    this.#write(this.#slice, (layer, segment) => layer.update(span, segment));
  }

  /** What {@link update} does, from a total gradient that was merged elsewhere; of another slice, if one is given. */
  apply(span: Span, slice = this.#slice): void {
    this.#write(slice, (layer, segment) => layer.apply(span, segment));
  }

  #write(slice: readonly Segment[], write: (layer: Layer, segment: Segment) => number): void {
    const { checksum } = this.#plan.threads[this.#rank];
    this.#checksums[checksum / 8] = 0n;
    let bad = 0;
    for (const segment of slice) bad |= write(this.layers[segment.tensor.layer], segment);
    if (bad !== 0) this.reportBadUpdate();
  }

  /** Notes that a new value is not finite. */
  reportBadUpdate(): void {
    this.#nonFinite.report(this.places.indexOf('update'), null);
  }

  /** The checksum of everything that the last update wrote, once all threads have written their slices. */
  get checksum(): bigint {
    const { threads } = this.#plan;
    const sum = threads.reduce((sum, { checksum }) => sum + this.#checksums[checksum / 8], 0n);
    return BigInt.asUintN(64, sum);
  }

  /** Adds the checksum of what others wrote of the same update. */
  addChecksum(checksum: bigint): void {
    this.#checksums[this.#plan.threads[this.#rank].checksum / 8] += checksum;
  }

  /**
   * Evaluates one shard of 128 samples of a split with running statistics: the sum of its losses and how many of its
   * samples were predicted right go into its slot, the predicted labels into theirs.
   * @param flat byte offset of the flat vector
   */
  evaluate(flat: number, split: SplitPlace, shard: number): void {
    const { scaleTable, threads, activations, activationGradients, evaluationLosses, predictions } =
      this.#plan;
    const firstRow = this.#evaluationRow(shard);
    const first = shard * evaluationShard;
    const rows = Math.min(evaluationShard, split.samples - first);
    const { input } = threads[this.#rank];
    const logits = activations[activations.length - 1];
    const gradient = presentMatrix(activationGradients[activations.length - 1]);
    const logitRows = rowOf(logits, firstRow);
    const kernels = this.#kernels;
    const inputRows = rowOf(input, firstRow);
    kernels.gather(split.images, input.width, 0, first, rows, scaleTable, inputRows, input.stride);
    for (const layer of this.layers) layer.infer(flat, firstRow, firstRow + rows);
    const slot = evaluationLosses + shard * lossSlotBytes;
    this.#floats[slot / 4] = kernels.softmaxCrossEntropy(
      logitRows,
      logits.stride,
      logits.width,
      rows,
      split.labels,
      0,
      first,
      1,
      rowOf(gradient, firstRow),
      slot + 4,
    );
    kernels.argmax(logitRows, logits.stride, logits.width, rows, predictions + first);
  }

  /** Probabilities of a shard that was evaluated before, one row a sample; the caller owns the copy. */
  probabilities(shard: number, rows: number): Float32Array[] {
    const { activations, activationGradients } = this.#plan;
    const logits = activations[activations.length - 1];
    const out = presentMatrix(activationGradients[activations.length - 1]);
    const firstRow = this.#evaluationRow(shard);
    const start = rowOf(out, firstRow);
    this.#kernels.softmax(rowOf(logits, firstRow), logits.stride, logits.width, rows, start);
    return Array.from({ length: rows }, (_, row) =>
      Float32Array.from({ length: out.width }, (_, column) => {
        const panel = Math.floor(column / panelWidth);
        return this.#floats[(rowOf(out, firstRow + row) + panel * out.stride) / 4 + (column % panelWidth)];
      }),
    );
  }

  /**
   * Looks closer at a step that ended with a value that is not finite: whether it was in the gradient already,
   * and if so in which shard's. Only for a model that owns the whole flat vector, after all threads stopped.
   */
  findInGradient(span: Span): Finding | null {
    const { gradient } = this.#plan;
    const isBad = (lo: number, hi: number): boolean => {
      for (const segment of this.#slice) {
        const out = gradient + 4 * (segment.tensor.offset + segment.from);
        this.layers[segment.tensor.layer].gradient(span, lo, hi, segment, out);
        if (this.#kernels.nonFinite(out, segment.to - segment.from)) return true;
      }
      return false;
    };
    if (!isBad(0, span.shardCount)) return null;
    const place = this.places.indexOf('gradient');
    for (let shard = 0; shard < span.shardCount; shard++) {
      if (isBad(shard, shard + 1)) return { place, shard };
    }
    return { place, shard: null };
  }

  /** Each thread has rows of its own; where there are fewer slots than threads, each shard has. */
  #evaluationRow(shard: number): number {
    const { evaluationSlots, threads } = this.#plan;
    const slot = threads.length === evaluationSlots ? this.#rank : shard % evaluationSlots;
    return slot * evaluationShard;
  }

  /** The gradient, as long as the flat vector, and a slot of losses behind it. */
  #gradientExchange({ flatSize, tensors }: Architecture): GradientExchange {
    const { threads, gradient } = this.#plan;
    const { loss } = threads[this.#rank];
    const mergeSegment: GradientExchange['mergeSegment'] = (span, lo, hi, segment, out) =>
      this.layers[segment.tensor.layer].gradient(span, lo, hi, segment, out);
    const mergeLosses: GradientExchange['mergeLosses'] = (lo, hi, out) => this.#mergeLosses(lo, hi, out);
    return {
      name: 'gradient',
      layout: gradientLayout(tensors),
      // A thread sums its slice over samples and shards where it updates it; the activations are all it needs.
      partial: () => {},
      total: (span) => {
        if (this.#rank !== 0) return;
        this.#mergeLosses(0, span.shardCount, loss);
        this.#noteBatch(span, loss);
      },
      merge: (span, lo, hi, out) => {
        for (const segment of this.#slice) {
          mergeSegment(span, lo, hi, segment, out + 4 * (segment.tensor.offset + segment.from));
        }
        if (this.#rank === 0) mergeLosses(lo, hi, out + 4 * flatSize);
      },
      mergeSegment,
      mergeLosses,
      // It has to lie where the layers expect it.
      receive: (span, total) => {
        if (total !== gradient) throw new Error(`the total gradient is at ${total}, expected at ${gradient}`);
        if (this.#rank === 0) this.#noteBatch(span, total + 4 * flatSize);
      },
    };
  }

  #mergeLosses(lo: number, hi: number, out: number): void {
    const { stack } = this.#plan.threads[this.#rank];
    this.#kernels.mergeSums(this.#plan.batchLosses, lossSlotBytes, lo, hi, 0, panelWidth, out, stack);
  }

  #noteBatch(span: Span, slot: number): void {
    const loss = Math.fround(this.#floats[slot / 4] / span.rows);
    this.#batch = { loss, correct: this.#floats[slot / 4 + 1] };
    if (!Number.isFinite(loss)) this.#nonFinite.report(this.places.indexOf('loss'), null);
  }
}

function presentMatrix<T>(matrix: T | null): T {
  if (matrix === null) throw new Error('a layer has no room for the gradient of its output');
  return matrix;
}
