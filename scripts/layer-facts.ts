/** The layers of a model as they are shown: shapes, parameters, and how much arithmetic each is. */
import type { Architecture } from '../shared/model/architecture.ts';
import type { Shape } from '../shared/model/layer.ts';
import { isTrained, valueCount } from '../shared/model/tensors.ts';
import { denseShape, flopsOf } from './flops.ts';

export interface LayerFacts {
  readonly index: number;
  /** Canonical text. */
  readonly layer: string;
  readonly input: Shape;
  readonly output: Shape;
  /** What is trained of it. */
  readonly parameters: number;
  /** Floating-point operations of its products, of one sample; null for a layer without, whose arithmetic is next to none. */
  readonly flops: { readonly forward: number; readonly backward: number } | null;
  readonly tensors: readonly { readonly name: string; readonly shape: Shape }[];
}

export function layerFacts({ layers }: Architecture): LayerFacts[] {
  return layers.map((spec, index) => {
    const { text, input, output, tensors } = spec;
    const dense = denseShape(spec, index);
    const flops = dense === null ? null : flopsOf([dense]);
    return {
      index,
      layer: text,
      input,
      output,
      parameters: tensors
        .filter(({ role }) => isTrained(role))
        .reduce((sum, tensor) => sum + valueCount(tensor), 0),
      flops: flops === null ? null : { forward: flops.forward, backward: flops.backward + flops.update },
      tensors: tensors.map(({ name, shape }) => ({ name, shape })),
    };
  });
}
