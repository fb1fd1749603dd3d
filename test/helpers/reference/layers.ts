/**
 * What a network is made of, said without any values: the kinds of layers with their options, and the
 * tensors that belong to them, named and ordered as the state dict of a PyTorch `nn.Sequential`.
 */

export type DenseLayer = { kind: 'dense'; inputs: number; outputs: number };

export type ActivationLayer = { kind: 'sigmoid' } | { kind: 'relu' } | { kind: 'tanh' } | AffineLayer;

/** y = slope · x + intercept, both constants */
export type AffineLayer = { kind: 'affine'; slope: number; intercept: number };

export type BatchNormLayer = {
  kind: 'batchnorm';
  features: number;
  /** the share of the running statistics that is kept at each step: 1 − PyTorch's momentum */
  momentum: number;
  epsilon: number;
  /** whether the running variance is multiplied by n ÷ (n − 1), as PyTorch does */
  unbiased: boolean;
};

export type Layer = DenseLayer | ActivationLayer | BatchNormLayer;

/** Values by name, row-major: `0.weight` (outputs, inputs), `0.bias`, `2.running_mean`, … */
export type Tensors = Map<string, Float64Array>;

export type TensorDescription = { name: string; shape: number[]; trainable: boolean };

/** The floating-point tensors of `layers` in the order of the state dict. */
export function describeTensors(layers: readonly Layer[]): TensorDescription[] {
  return layers.flatMap((layer, index): TensorDescription[] => {
    switch (layer.kind) {
      case 'dense':
        return [
          { name: `${index}.weight`, shape: [layer.outputs, layer.inputs], trainable: true },
          { name: `${index}.bias`, shape: [layer.outputs], trainable: true },
        ];
      case 'batchnorm':
        return [
          { name: `${index}.weight`, shape: [layer.features], trainable: true },
          { name: `${index}.bias`, shape: [layer.features], trainable: true },
          { name: `${index}.running_mean`, shape: [layer.features], trainable: false },
          { name: `${index}.running_var`, shape: [layer.features], trainable: false },
        ];
      case 'sigmoid':
      case 'relu':
      case 'tanh':
      case 'affine':
        return [];
      default:
        layer satisfies never;
        throw new TypeError(`layer ${index}: unknown kind ${JSON.stringify(layer)}`);
    }
  });
}

/** The number of values in a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** The tensor of that name; throws where there is none. */
export function tensorNamed(tensors: ReadonlyMap<string, Float64Array>, name: string): Float64Array {
  const values = tensors.get(name);
  if (values === undefined) {
    throw new RangeError(`no tensor ${name}; there are ${[...tensors.keys()].join(', ') || 'none'}`);
  }
  return values;
}
