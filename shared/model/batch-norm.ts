import { padded } from '../kernels/kernels.ts';
import type { Exchange } from '../reduction/group.ts';
import { type Span, shardRows, shardStart } from '../reduction/span.ts';
import { featureCount, type Layer, type LayerKind, type LayerPlace, rowOf } from './layer.ts';
import { isTrained, type Segment } from './tensors.ts';

/**
 * Batch normalisation, y = scale · (x − mean) ÷ √(variance + ε) + shift (Ioffe and Szegedy, 2015). In `sync`
 * mode the moments are the whole batch's, merged from the shards'; in `ghost` mode each shard has its own.
 */
export const batchnorm: LayerKind = {
  options: {
    momentum: { kind: 'number', min: 0, max: 1, default: 0.9 },
    epsilon: { kind: 'number', above: 0, default: 1e-5 },
    scale: { kind: 'choice', choices: [1, 'uniform'], default: 1 },
    variance: { kind: 'choice', choices: ['biased', 'unbiased'], default: 'biased' },
  },
  outputShape: (input) => input,
  tensors: (input) => {
    const shape = [featureCount(input)];
    return [
      { role: 'scale', shape },
      { role: 'shift', shape },
      { role: 'runningMean', shape },
      { role: 'runningVariance', shape },
    ];
  },
  prefersColumns: () => false,
  inPlace: true,
  // Shared: a slot (mean, M2) and a slot (Σdy, Σdy·x̂) a shard. Own: the totals of both, 1 ÷ deviation.
  workspace: ({ input, shardCount }) => {
    const vector = 4 * padded(featureCount(input));
    return { shared: shardCount * 4 * vector, own: 5 * vector };
  },
  bind: (place) => new BatchNorm(place),
};

class BatchNorm implements Layer {
  readonly name: string;
  readonly forwardExchange: Exchange | null;
  readonly backwardExchange: Exchange | null;
  readonly byColumns = false;
  readonly #place: LayerPlace;
  readonly #epsilon: number;
  /** Panels of columns, padded columns, and the bytes of one vector of them. */
  readonly #panels: number;
  readonly #width: number;
  readonly #vector: number;
  /** Slots by shard, each two vectors. */
  readonly #moments: number;
  readonly #sums: number;
  /** This thread's totals: mean and M2, 1 ÷ deviation, Σdy and Σdy·x̂. */
  readonly #mean: number;
  readonly #inverse: number;
  readonly #sumTotals: number;

  constructor(place: LayerPlace) {
    this.name = place.name;
    this.#place = place;
    this.#epsilon = Number(place.options.epsilon);
    this.#panels = place.input.panels;
    this.#width = padded(place.input.width);
    this.#vector = 4 * this.#width;
    const shardCount = place.shardCount;
    this.#moments = place.shared;
    this.#sums = place.shared + shardCount * 2 * this.#vector;
    this.#mean = place.own;
    this.#inverse = place.own + 2 * this.#vector;
    this.#sumTotals = place.own + 3 * this.#vector;
    const sync = place.batchNorm === 'sync';
    this.forwardExchange = sync ? this.#momentsExchange() : null;
    this.backwardExchange = sync ? this.#sumsExchange() : null;
  }

  forward(span: Span): void {
    if (this.#place.batchNorm === 'sync') {
      this.#normalise(span.current.flat, span.firstRow, span.endRow - span.firstRow, this.#mean);
      return;
    }
    for (let shard = span.firstShard; shard < span.endShard; shard++) {
      this.#shardMoments(span, shard);
      this.#shardDeviation(span, shard);
      this.#normalise(
        span.current.flat,
        shardStart(span, shard),
        shardRows(span, shard),
        this.#momentSlot(shard),
      );
    }
  }

  backward(span: Span): void {
    if (this.#place.batchNorm === 'sync') {
      const rows = span.endRow - span.firstRow;
      this.#backward(span.current.flat, span.firstRow, rows, this.#mean, this.#sumTotals, span.rows);
      return;
    }
    for (let shard = span.firstShard; shard < span.endShard; shard++) {
      const rows = shardRows(span, shard);
      const mean = this.#momentSlot(shard);
      this.#shardDeviation(span, shard);
      this.#shardSums(span, shard, mean);
      this.#backward(span.current.flat, shardStart(span, shard), rows, mean, this.#sumSlot(shard), rows);
    }
  }

  infer(parameters: number, from: number, to: number): void {
    const [, , runningMean, runningVariance] = this.#place.tensors;
    const variance = parameters + 4 * runningVariance.offset;
    this.#place.kernels.inverseDeviation(variance, 1, this.#epsilon, this.#panels, this.#inverse);
    this.#normalise(parameters, from, to - from, parameters + 4 * runningMean.offset);
  }

  // d scale = Σ dy·x̂ and d shift = Σ dy. In the places of the running mean and variance travel the batch's
  // mean and M2: every replica moves its running statistics from the same total.
  gradient(span: Span, lo: number, hi: number, segment: Segment, out: number): void {
    const { kernels, stack } = this.#place;
    const { tensor, from, to } = segment;
    if (tensor.role === 'scale' || tensor.role === 'shift') {
      const sums = this.#sums + (tensor.role === 'scale' ? this.#vector : 0);
      kernels.mergeSums(sums, 2 * this.#vector, lo, hi, from, to, out, stack);
      return;
    }
    const isMean = tensor.role === 'runningMean';
    kernels.mergeMoments(
      this.#moments,
      2 * this.#vector,
      this.#width,
      span.rows,
      span.shardSize,
      lo,
      hi,
      from,
      to,
      isMean ? out : 0,
      isMean ? 0 : out,
      stack,
    );
  }

  update(span: Span, segment: Segment): number {
    const { tensor, from } = segment;
    this.gradient(span, 0, span.shardCount, segment, this.#place.gradient + 4 * (tensor.offset + from));
    return this.apply(span, segment);
  }

  apply(span: Span, { tensor, from, to }: Segment): number {
    const { kernels, optimizer, options, gradient, checksum } = this.#place;
    const at = 4 * (tensor.offset + from);
    const total = gradient + at;
    if (isTrained(tensor.role)) return optimizer.update(span, at, total, to - from);
    // The total of the variance is M2, the sum of squares; PyTorch's unbiased variance divides it by n − 1.
    const squares = options.variance === 'unbiased' ? Math.max(span.rows - 1, 1) : span.rows;
    const divisor = tensor.role === 'runningMean' ? 1 : squares;
    const momentum = Number(options.momentum);
    return kernels.movingAverage(
      span.current.flat + at,
      total,
      span.next.flat + at,
      to - from,
      momentum,
      divisor,
      tensor.offset + from,
      checksum,
    );
  }

  #momentsExchange(): Exchange {
    const { kernels, stack } = this.#place;
    const width = this.#width;
    const slot = 2 * this.#vector;
    const mean = this.#mean;
    const m2 = mean + this.#vector;
    const goOn = (span: Span, bad: number): void => {
      if (bad) this.#place.reportNonFinite(exchange, null);
      kernels.inverseDeviation(m2, span.rows, this.#epsilon, this.#panels, this.#inverse);
    };
    const merge = ({ rows, shardSize }: Span, lo: number, hi: number, outMean: number): number => {
      const out = [outMean, outMean + this.#vector] as const;
      return kernels.mergeMoments(
        this.#moments,
        slot,
        width,
        rows,
        shardSize,
        lo,
        hi,
        0,
        width,
        ...out,
        stack,
      );
    };
    const exchange: Exchange = {
      name: `batch moments of ${this.name}`,
      layout: { floats: 2 * width, moments: [{ mean: 0, m2: width, width }] },
      partial: (span, shard) => {
        if (this.#shardMoments(span, shard)) this.#place.reportNonFinite(exchange, shard);
      },
      total: (span) => goOn(span, merge(span, 0, span.shardCount, mean)),
      merge,
      // The sum of one slot is a copy of it.
      receive: (span, total) => goOn(span, kernels.mergeSums(total, slot, 0, 1, 0, 2 * width, mean, stack)),
    };
    return exchange;
  }

  #sumsExchange(): Exchange {
    const { kernels, stack } = this.#place;
    const floats = 2 * this.#width;
    const slot = 2 * this.#vector;
    const merge = (slots: number, lo: number, hi: number, out: number): number =>
      kernels.mergeSums(slots, slot, lo, hi, 0, floats, out, stack);
    const report = (bad: number): void => {
      if (bad) this.#place.reportNonFinite(exchange, null);
    };
    const exchange: Exchange = {
      name: `batch gradient sums of ${this.name}`,
      layout: { floats, moments: [] },
      partial: (span, shard) => {
        if (this.#shardSums(span, shard, this.#mean)) this.#place.reportNonFinite(exchange, shard);
      },
      total: (span) => report(merge(this.#sums, 0, span.shardCount, this.#sumTotals)),
      merge: (_span, lo, hi, out) => merge(this.#sums, lo, hi, out),
      receive: (_span, total) => report(merge(total, 0, 1, this.#sumTotals)),
    };
    return exchange;
  }

  #momentSlot(shard: number): number {
    return this.#moments + shard * 2 * this.#vector;
  }

  #sumSlot(shard: number): number {
    return this.#sums + shard * 2 * this.#vector;
  }

  #shardMoments(span: Span, shard: number): number {
    const { kernels, input } = this.#place;
    const x = rowOf(input, shardStart(span, shard));
    const slot = this.#momentSlot(shard);
    return kernels.moments(x, input.stride, shardRows(span, shard), this.#panels, slot, slot + this.#vector);
  }

  #shardDeviation(span: Span, shard: number): void {
    const m2 = this.#momentSlot(shard) + this.#vector;
    const rows = shardRows(span, shard);
    this.#place.kernels.inverseDeviation(m2, rows, this.#epsilon, this.#panels, this.#inverse);
  }

  #shardSums(span: Span, shard: number, mean: number): number {
    const { kernels, input, outputGradient } = this.#place;
    const firstRow = shardStart(span, shard);
    const slot = this.#sumSlot(shard);
    return kernels.normaliseSums(
      rowOf(input, firstRow),
      rowOf(outputGradient, firstRow),
      input.stride,
      shardRows(span, shard),
      this.#panels,
      mean,
      this.#inverse,
      slot,
      slot + this.#vector,
    );
  }

  #normalise(parameters: number, firstRow: number, rows: number, mean: number): void {
    const { kernels, input, output, tensors } = this.#place;
    kernels.normalise(
      rowOf(input, firstRow),
      rowOf(output, firstRow),
      input.stride,
      rows,
      this.#panels,
      mean,
      this.#inverse,
      parameters + 4 * tensors[0].offset,
      parameters + 4 * tensors[1].offset,
    );
  }

  #backward(
    parameters: number,
    firstRow: number,
    rows: number,
    mean: number,
    sums: number,
    count: number,
  ): void {
    const { kernels, input, outputGradient, tensors } = this.#place;
    const dy = rowOf(outputGradient, firstRow);
    kernels.normaliseBackward(
      rowOf(input, firstRow),
      dy,
      dy,
      input.stride,
      rows,
      this.#panels,
      mean,
      this.#inverse,
      parameters + 4 * tensors[0].offset,
      sums,
      sums + this.#vector,
      count,
    );
  }
}
