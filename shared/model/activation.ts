/** Layers that work on each value alone: sigmoid, relu, tanh, affine. */
import type { OptionSpecs } from '../calls.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Span } from '../reduction/span.ts';
import { type Layer, type LayerKind, type LayerOptions, type LayerPlace, rowOf } from './layer.ts';

/** How many values: `rows` rows of `panels` panels that lie `stride` bytes apart. */
interface Extent {
  readonly stride: number;
  readonly rows: number;
  readonly panels: number;
}

/** y from x, and dx (over dy) from y and dy, byte offsets of the first row. */
interface Elementwise {
  forward(kernels: Kernels, x: number, y: number, extent: Extent, options: LayerOptions): void;
  backward(kernels: Kernels, y: number, dy: number, extent: Extent, options: LayerOptions): void;
}

export const relu = activation(
  {},
  {
    forward: (kernels, x, y, { stride, rows, panels }) => kernels.relu(x, y, stride, rows, panels),
    backward: (kernels, y, dy, { stride, rows, panels }) =>
      kernels.reluBackward(y, dy, dy, stride, rows, panels),
  },
);

export const sigmoid = activation(
  {},
  {
    forward: (kernels, x, y, { stride, rows, panels }) => kernels.sigmoid(x, y, stride, rows, panels),
    backward: (kernels, y, dy, { stride, rows, panels }) =>
      kernels.sigmoidBackward(y, dy, dy, stride, rows, panels),
  },
);

export const tanh = activation(
  {},
  {
    forward: (kernels, x, y, { stride, rows, panels }) => kernels.tanh(x, y, stride, rows, panels),
    backward: (kernels, y, dy, { stride, rows, panels }) =>
      kernels.tanhBackward(y, dy, dy, stride, rows, panels),
  },
);

export const affine = activation(
  { slope: { kind: 'number', default: 1 }, intercept: { kind: 'number', default: 0 } },
  {
    forward: (kernels, x, y, { stride, rows, panels }, { slope, intercept }) =>
      kernels.affine(x, y, stride, rows, panels, Number(slope), Number(intercept)),
    backward: (kernels, _y, dy, { stride, rows, panels }, { slope }) =>
      kernels.affineBackward(dy, dy, stride, rows, panels, Number(slope)),
  },
);

function activation(options: OptionSpecs, functions: Elementwise): LayerKind {
  return {
    options,
    outputShape: (input) => input,
    tensors: () => [],
    prefersColumns: () => false,
    inPlace: true,
    workspace: () => ({ shared: 0, own: 0 }),
    bind: (place) => new Activation(place, functions),
  };
}

class Activation implements Layer {
  readonly name: string;
  readonly forwardExchange = null;
  readonly backwardExchange = null;
  readonly byColumns = false;
  readonly #place: LayerPlace;
  readonly #functions: Elementwise;

  constructor(place: LayerPlace, functions: Elementwise) {
    this.name = place.name;
    this.#place = place;
    this.#functions = functions;
  }

  forward(span: Span): void {
    this.infer(0, span.firstRow, span.endRow);
  }

  infer(_parameters: number, from: number, to: number): void {
    const { kernels, input, output, options } = this.#place;
    const { stride, panels } = output;
    const extent = { stride, rows: to - from, panels };
    this.#functions.forward(kernels, rowOf(input, from), rowOf(output, from), extent, options);
  }

  backward({ firstRow, endRow }: Span): void {
    const { kernels, output, outputGradient, options } = this.#place;
    const { stride, panels } = output;
    const extent = { stride, rows: endRow - firstRow, panels };
    const dy = rowOf(outputGradient, firstRow);
    this.#functions.backward(kernels, rowOf(output, firstRow), dy, extent, options);
  }

  gradient(): void {
    throw new Error(`${this.name} has no tensors`);
  }

  apply(): number {
    throw new Error(`${this.name} has no tensors`);
  }

  update(): number {
    throw new Error(`${this.name} has no tensors`);
  }
}
