/**
 * All tensors of a model in one flat vector of binary32, in model order: what is updated, sent and saved are its
 * bytes. Weights are panelled (see kernels), so a dense layer's (out, in) of a file is (in, out) in panels.
 */
import { padded, panelWidth } from '../kernels/kernels.ts';
import type { PartialLayout } from '../reduction/partial.ts';

export type Role = 'weight' | 'bias' | 'scale' | 'shift' | 'runningMean' | 'runningVariance';

/** A tensor as its layer declares it. */
export interface TensorSpec {
  readonly role: Role;
  /** Shape in files: (out, in) for a weight, (width) for all others. */
  readonly shape: readonly number[];
}

export interface Tensor extends TensorSpec {
  /** The name in files, as PyTorch names it in an `nn.Sequential`: `0.weight`, `2.running_mean`. */
  readonly name: string;
  /** Index of its layer in the model. */
  readonly layer: number;
  /** First float of the tensor in the flat vector. */
  readonly offset: number;
  /** Floats in the flat vector, padding included; a multiple of 16. */
  readonly size: number;
}

/** A run of floats within one tensor, relative to its beginning; multiples of 16. */
export interface Segment {
  readonly tensor: Tensor;
  readonly from: number;
  readonly to: number;
}

const fileNames: Record<Role, string> = {
  weight: 'weight',
  bias: 'bias',
  scale: 'weight',
  shift: 'bias',
  runningMean: 'running_mean',
  runningVariance: 'running_var',
};

/** True for what the optimizer updates, false for what batch normalisation keeps. */
export function isTrained(role: Role): boolean {
  return role !== 'runningMean' && role !== 'runningVariance';
}

/** Places the tensors of all layers, one list a layer, in the flat vector. */
export function placeTensors(layers: readonly (readonly TensorSpec[])[]): Tensor[] {
  const tensors: Tensor[] = [];
  let offset = 0;
  for (const [layer, specs] of layers.entries()) {
    for (const spec of specs) {
      const size = padded(spec.shape[0]) * (spec.shape[1] ?? 1);
      tensors.push({ ...spec, name: `${layer}.${fileNames[spec.role]}`, layer, offset, size });
      offset += size;
    }
  }
  return tensors;
}

/** Floats of the flat vector. */
export function flatSize(tensors: readonly Tensor[]): number {
  const last = tensors.at(-1);
  return last === undefined ? 0 : last.offset + last.size;
}

/** The number of values without padding. */
export function valueCount(tensor: TensorSpec): number {
  return tensor.shape.reduce((product, length) => product * length, 1);
}

/** Slices begin at multiples of this many floats: the sixteen rows of a weight's panel that meet a panel of x. */
export const sliceUnit = panelWidth * panelWidth;

/** The slice of the flat vector that one of `size` threads owns, cut into runs within one tensor. */
export function sliceOf(tensors: readonly Tensor[], rank: number, size: number): Segment[] {
  const units = Math.ceil(flatSize(tensors) / sliceUnit);
  const begin = Math.floor((units * rank) / size) * sliceUnit;
  const end = Math.floor((units * (rank + 1)) / size) * sliceUnit;
  return segmentsOf(tensors, begin, end);
}

/** The segments of floats `from … to−1` of the flat vector. */
export function segmentsOf(tensors: readonly Tensor[], from: number, to: number): Segment[] {
  return tensors.flatMap((tensor) => {
    const first = Math.max(from, tensor.offset) - tensor.offset;
    const end = Math.min(to, tensor.offset + tensor.size) - tensor.offset;
    return first < end ? [{ tensor, from: first, to: end }] : [];
  });
}

/**
 * What a gradient is made of: a vector as long as the flat vector, then a slot of losses. In the places of running means
 * and variances it carries the batch's means and M2s.
 */
export function gradientLayout(tensors: readonly Tensor[]): PartialLayout {
  const moments = tensors.flatMap((mean, i) =>
    mean.role === 'runningMean' ? [{ mean: mean.offset, m2: tensors[i + 1].offset, width: mean.size }] : [],
  );
  return { floats: flatSize(tensors) + panelWidth, moments };
}

/** Copies a tensor's values in file order (a weight row by row as (out, in)) out of the flat vector. */
export function unpackTensor(flat: Float32Array, tensor: Tensor): Float32Array {
  const [out, depth = 1] = tensor.shape;
  const values = new Float32Array(out * depth);
  for (let o = 0; o < out; o++) {
    const place = placeOfRow(tensor, o, depth);
    for (let k = 0; k < depth; k++) values[o * depth + k] = flat[place + k * panelWidth];
  }
  return values;
}

/** Copies values in file order into the flat vector; the padding is set to zero. */
export function packTensor(flat: Float32Array, tensor: Tensor, values: Float32Array): void {
  const [out, depth = 1] = tensor.shape;
  flat.fill(0, tensor.offset, tensor.offset + tensor.size);
  for (let o = 0; o < out; o++) {
    const place = placeOfRow(tensor, o, depth);
    for (let k = 0; k < depth; k++) flat[place + k * panelWidth] = values[o * depth + k];
  }
}

/** Where the first value of a row (out) lies in the flat vector; the next ones follow a panel's width apart. */
function placeOfRow(tensor: Tensor, o: number, depth: number): number {
  const panel = Math.floor(o / panelWidth);
  return tensor.offset + panel * depth * panelWidth + (o % panelWidth);
}
