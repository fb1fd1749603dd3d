/** Layers that work on each value alone: sigmoid, relu, tanh, affine. */
import type { OptionSpecs } from '../calls.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Span } from '../reduction/span.ts';
import type { Layer, LayerKind, LayerOptions, LayerPlace } from './layer.ts';

/** y from x, and dx from y and dy, over `count` floats at byte offsets. */
interface Elementwise {
  forward(kernels: Kernels, x: number, y: number, count: number, options: LayerOptions): void;
  backward(kernels: Kernels, y: number, dy: number, count: number, options: LayerOptions): void;
}

export const relu = activation(
  {},
  {
    forward: (kernels, x, y, count) => kernels.relu(x, y, count),
    backward: (kernels, y, dy, count) => kernels.reluBackward(y, dy, dy, count),
  },
);

export const sigmoid = activation(
  {},
  {
    forward: (kernels, x, y, count) => kernels.sigmoid(x, y, count),
    backward: (kernels, y, dy, count) => kernels.sigmoidBackward(y, dy, dy, count),
  },
);

export const tanh = activation(
  {},
  {
    forward: (kernels, x, y, count) => kernels.tanh(x, y, count),
    backward: (kernels, y, dy, count) => kernels.tanhBackward(y, dy, dy, count),
  },
);

export const affine = activation(
  { slope: { kind: 'number', default: 1 }, intercept: { kind: 'number', default: 0 } },
  {
    forward: (kernels, x, y, count, { slope, intercept }) =>
      kernels.affine(x, y, count, Number(slope), Number(intercept)),
    backward: (kernels, _y, dy, count, { slope }) => kernels.affineBackward(dy, dy, count, Number(slope)),
  },
);

function activation(options: OptionSpecs, functions: Elementwise): LayerKind {
  return {
    options,
    outputShape: (input) => input,
    tensors: () => [],
    inPlace: true,
    workspace: () => ({ shared: 0, own: 0 }),
    bind: (place) => new Activation(place, functions),
  };
}

class Activation implements Layer {
  readonly name: string;
  readonly forwardExchange = null;
  readonly backwardExchange = null;
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

  // Rows lie one behind the other, padding included, so a run of rows is one vector.
  infer(_parameters: number, from: number, to: number): void {
    const { kernels, input, output, options } = this.#place;
    const start = from * output.stride;
    const count = ((to - from) * output.stride) / 4;
    this.#functions.forward(kernels, input.offset + start, output.offset + start, count, options);
  }

  backward(span: Span): void {
    const { kernels, output, outputGradient, options } = this.#place;
    const start = span.firstRow * output.stride;
    const count = ((span.endRow - span.firstRow) * output.stride) / 4;
    this.#functions.backward(kernels, output.offset + start, outputGradient.offset + start, count, options);
  }

  gradient(): void {
    throw new Error(`${this.name} has no tensors`);
  }
}
