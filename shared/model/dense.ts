import type { OptionValue } from '../calls.ts';
import { padded, panelBytes, panelCount, panelWidth } from '../kernels/kernels.ts';
import type { Span } from '../reduction/span.ts';
import { type Block, blocksOf } from './blocks.ts';
import {
  type DivisionSizes,
  featureCount,
  type Layer,
  type LayerKind,
  type LayerPlace,
  rowOf,
} from './layer.ts';
import type { Segment } from './tensors.ts';

/** A fully connected layer, y = x · W + b; whatever shape comes in is flattened. */
export const dense: LayerKind = {
  options: { units: { kind: 'integer', min: 1, max: 65_536 } },
  outputShape: (_input, options) => [unitsOf(options.units)],
  tensors: (input, options) => [
    { role: 'weight', shape: [unitsOf(options.units), featureCount(input)] },
    { role: 'bias', shape: [unitsOf(options.units)] },
  ],
  prefersColumns,
  inPlace: false,
  // The transposed weight, for the input's gradient.
  workspace: ({ input, output, isFirst }) => ({
    shared: 0,
    own: isFirst ? 0 : 4 * padded(featureCount(input)) * featureCount(output),
  }),
  bind: (place) => new Dense(place),
};

function unitsOf(value: OptionValue): number {
  return Number(value);
}

/**
 * After an update the weights of a thread's own columns lie in its cache, all others in the caches of other threads: by
 * columns no weights travel, nor does the input, which every thread gathers for itself. Large batches are too much of that.
 */
function prefersColumns({ input, output, batchSize, threads }: DivisionSizes): boolean {
  const panels = panelCount(featureCount(output));
  const weights = featureCount(input) * panels * panelBytes;
  const inputs = batchSize * panelCount(featureCount(input)) * panelBytes;
  return threads > 1 && threads <= panels && inputs < weights;
}

class Dense implements Layer {
  readonly name: string;
  readonly forwardExchange = null;
  readonly backwardExchange = null;
  readonly byColumns: boolean;
  readonly #place: LayerPlace;
  readonly #weight: number;
  readonly #bias: number;

  constructor(place: LayerPlace) {
    this.name = place.name;
    this.#place = place;
    this.#weight = 4 * place.tensors[0].offset;
    this.#bias = 4 * place.tensors[1].offset;
    this.byColumns = place.byColumns;
  }

  forward(span: Span): void {
    const { output, rank, threads } = this.#place;
    const { current, firstTeamRow, endTeamRow } = span;
    if (this.byColumns) {
      const blocks = blocksOf(output.panels, firstTeamRow, endTeamRow, rank, threads);
      for (const block of blocks) this.#product(current.flat, block);
    } else this.infer(current.flat, span.firstRow, span.endRow);
  }

  infer(parameters: number, from: number, to: number): void {
    const { panels } = this.#place.output;
    this.#product(parameters, { firstRow: from, endRow: to, firstPanel: 0, endPanel: panels });
  }

  /** A block of y = x · W + b. */
  #product(parameters: number, { firstRow, endRow, firstPanel, endPanel }: Block): void {
    const { kernels, input, output } = this.#place;
    kernels.dense(
      rowOf(input, firstRow),
      input.stride,
      parameters + this.#weight + firstPanel * panelBytes * input.width,
      parameters + this.#bias + firstPanel * panelBytes,
      rowOf(output, firstRow) + firstPanel * output.stride,
      output.stride,
      endRow - firstRow,
      input.width,
      Math.min(output.width, endPanel * panelWidth) - firstPanel * panelWidth,
    );
  }

  // dX = dY · Wᵀ, with the transposed weight made anew: it changes with every step.
  backward(span: Span): void {
    const { kernels, input, inputGradient, output, outputGradient, own } = this.#place;
    const rows = span.endRow - span.firstRow;
    if (inputGradient === null || rows === 0) return;
    kernels.transpose(span.current.flat + this.#weight, input.width, output.width, own);
    kernels.dense(
      rowOf(outputGradient, span.firstRow),
      outputGradient.stride,
      own,
      0,
      rowOf(inputGradient, span.firstRow),
      inputGradient.stride,
      rows,
      output.width,
      inputGradient.width,
    );
  }

  // dW = xᵀ · dY, db = the column sums of dY.
  gradient(span: Span, lo: number, hi: number, segment: Segment, out: number): void {
    const { kernels, input, outputGradient: dy, stack } = this.#place;
    const { from, to, tensor } = segment;
    if (tensor.role === 'bias') {
      kernels.columnSums(dy.offset, dy.stride, span.rows, span.shardSize, lo, hi, from, to, out, stack);
    } else {
      kernels.denseWeightGradient(
        input.offset,
        input.stride,
        dy.offset,
        dy.stride,
        span.rows,
        span.shardSize,
        lo,
        hi,
        input.width,
        dy.width,
        from,
        to,
        out,
        stack,
      );
    }
  }

  apply(span: Span, { tensor, from, to }: Segment): number {
    const { optimizer, gradient } = this.#place;
    const at = 4 * (tensor.offset + from);
    return optimizer.update(span, at, gradient + at, to - from);
  }

  update(span: Span, segment: Segment): number {
    const { kernels, optimizer, input, outputGradient: dy, stack, gradient, checksum } = this.#place;
    const { tensor, from, to } = segment;
    const at = 4 * (tensor.offset + from);
    if (tensor.role === 'bias') {
      this.gradient(span, 0, span.shardCount, segment, gradient + at);
      return this.apply(span, segment);
    }
    return kernels.denseWeightUpdate(
      input.offset,
      input.stride,
      dy.offset,
      dy.stride,
      span.rows,
      span.shardSize,
      input.width,
      dy.width,
      from,
      to,
      span.current.flat + at,
      span.current.state + at,
      span.next.flat + at,
      span.next.state + at,
      optimizer.rule,
      stack,
      tensor.offset + from,
      checksum,
    );
  }
}
