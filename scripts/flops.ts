/** How much arithmetic a step is: that of its dense products, which is nearly all of it. */
import type { Architecture, LayerSpec } from '../shared/model/architecture.ts';
import { featureCount } from '../shared/model/layer.ts';

/** A dense product, (rows, inputs) · (inputs, outputs). */
export interface DenseShape {
  /** The layer's text: `dense(200)`. */
  readonly layer: string;
  readonly inputs: number;
  readonly outputs: number;
  /** True where nobody wants the gradient of the input. */
  readonly isFirst: boolean;
}

/** Floating-point operations of one sample. */
export interface Flops {
  readonly forward: number;
  /** The gradients of inputs. */
  readonly backward: number;
  /** The gradients of weights. */
  readonly update: number;
}

/** The dense layers of a model. */
export function denseShapes({ layers }: Architecture): DenseShape[] {
  return layers.flatMap((layer, i) => denseShape(layer, i) ?? []);
}

/** The product of one layer of a model; null for one that is none. */
export function denseShape(layer: LayerSpec, index: number): DenseShape | null {
  if (!isDense(layer)) return null;
  return {
    layer: layer.text,
    inputs: featureCount(layer.input),
    outputs: featureCount(layer.output),
    isFirst: index === 0,
  };
}

/** A multiply-add is two operations; the weight's gradient is as many as the output, the input's too. */
export function flopsOf(shapes: readonly DenseShape[]): Flops {
  const sum = (some: readonly DenseShape[]) =>
    some.reduce((total, { inputs, outputs }) => total + 2 * inputs * outputs, 0);
  return {
    forward: sum(shapes),
    backward: sum(shapes.filter(({ isFirst }) => !isFirst)),
    update: sum(shapes),
  };
}

export function totalOf({ forward, backward, update }: Flops): number {
  return forward + backward + update;
}

function isDense({ tensors }: LayerSpec): boolean {
  return tensors.some(({ role }) => role === 'weight');
}
