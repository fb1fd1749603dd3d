/** What a layer is: first as a kind (shapes, tensors, options), then bound to memory and kernels. */
import type { OptionSpecs, OptionValue } from '../calls.ts';
import { type Kernels, panelBytes } from '../kernels/kernels.ts';
import type { Exchange } from '../reduction/group.ts';
import type { Span } from '../reduction/span.ts';
import type { Optimizer } from './optimizer.ts';
import type { Segment, Tensor, TensorSpec } from './tensors.ts';

/** Features of one sample, for example (1, 28, 28) or (200). */
export type Shape = readonly number[];

/** The number of values of a shape. */
export function featureCount(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/**
 * A matrix of activations or their gradients, a row a sample of the batch, panelled (see kernels). All matrices of a
 * model have the same stride.
 */
export interface Matrix {
  /** Byte offset of row 0. */
  readonly offset: number;
  /** Bytes from panel to panel. */
  readonly stride: number;
  /** Columns that count. */
  readonly width: number;
  readonly panels: number;
}

/** Byte offset of a row of a matrix in its first panel. */
export function rowOf(matrix: Matrix, row: number): number {
  return matrix.offset + row * panelBytes;
}

export type BatchNormMode = 'sync' | 'ghost';

/** A kind of layer, found by its name in a model's text. */
export interface LayerKind {
  readonly options: OptionSpecs;
  /** The shape that goes out for the shape that comes in. */
  outputShape(input: Shape, options: LayerOptions): Shape;
  tensors(input: Shape, options: LayerOptions): readonly TensorSpec[];
  /** True where threads are faster if they divide the columns of a first layer between them, and not the rows. */
  prefersColumns(sizes: DivisionSizes): boolean;
  /** True if backward writes the gradient of its input over that of its output (same width). */
  readonly inPlace: boolean;
  /** Bytes of working memory: shared by the threads, and of each thread's own. */
  workspace(sizes: WorkspaceSizes): { shared: number; own: number };
  bind(place: LayerPlace): Layer;
}

/** What decides how threads divide a layer. */
export interface DivisionSizes {
  readonly input: Shape;
  readonly output: Shape;
  readonly batchSize: number;
  readonly threads: number;
}

export interface WorkspaceSizes {
  readonly input: Shape;
  readonly output: Shape;
  /** Most shards of a batch. */
  readonly shardCount: number;
  /** True where nobody wants the gradient of the input. */
  readonly isFirst: boolean;
}

export type LayerOptions = Readonly<Record<string, OptionValue>>;

/** Where a layer works. */
export interface LayerPlace {
  readonly kernels: Kernels;
  readonly optimizer: Optimizer;
  readonly options: LayerOptions;
  /** For messages: `layer 2 (batchnorm)`. */
  readonly name: string;
  readonly tensors: readonly Tensor[];
  readonly input: Matrix;
  readonly output: Matrix;
  /** Null for a first layer, whose input gradient nobody wants. */
  readonly inputGradient: Matrix | null;
  readonly outputGradient: Matrix;
  readonly shared: number;
  readonly own: number;
  /** Scratch of `stackBytes` for merging kernels, this thread's own. */
  readonly stack: number;
  /** Where this thread's part of the checksum of an update is added up. */
  readonly checksum: number;
  /** Room for a total gradient as long as the flat vector. */
  readonly gradient: number;
  /** Most shards of a batch. */
  readonly shardCount: number;
  /** This thread's number, of how many over this memory. */
  readonly rank: number;
  readonly threads: number;
  /** True where these divide the layer's columns between them; then the input of all their rows is there. */
  readonly byColumns: boolean;
  readonly batchNorm: BatchNormMode;
  readonly reportNonFinite: (exchange: Exchange, shard: number | null) => void;
}

/** A layer bound to memory and kernels, as one thread uses it. */
export interface Layer {
  readonly name: string;
  /** What the whole batch must agree on before `forward`, or null. */
  readonly forwardExchange: Exchange | null;
  /** What the whole batch must agree on before `backward`, or null. */
  readonly backwardExchange: Exchange | null;
  /** True where `forward` computes this thread's share of the columns, for the rows of all threads over this memory. */
  readonly byColumns: boolean;
  /** Computes the output of the span's rows, all of it unless `byColumns`. */
  forward(span: Span): void;
  /** Computes the input's gradient of the span's rows from the output's. */
  backward(span: Span): void;
  /** Computes outputs of rows `from … to` with running statistics only, for evaluation. */
  infer(parameters: number, from: number, to: number): void;
  /**
   * Writes the gradient's partial of tree node `lo … hi−1` for a run of one of this layer's tensors at byte
   * offset `out`. Needs the activations and gradients of these shards from all threads.
   */
  gradient(span: Span, lo: number, hi: number, segment: Segment, out: number): void;
  /**
   * Writes the new values of a run of one of this layer's tensors beside the old, from the total of its gradient
   * in the room for it. Returns 1 if a new value is not finite, else 0.
   */
  apply(span: Span, segment: Segment): number;
  /** Does {@link gradient} over all shards and {@link apply} in one; the total need not be in the room afterwards. */
  update(span: Span, segment: Segment): number;
}
