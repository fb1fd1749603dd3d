/** A model's text (`dense(200) sigmoid batchnorm dense(10)`) as a list of layers with shapes and tensors. */
import { type Call, formatCall, parseCalls } from '../calls.ts';
import { usageError } from '../errors.ts';
import { affine, relu, sigmoid, tanh } from './activation.ts';
import { batchnorm } from './batch-norm.ts';
import { dense } from './dense.ts';
import type { LayerKind, LayerOptions, Shape } from './layer.ts';
import { flatSize, placeTensors, type Tensor } from './tensors.ts';

const layerKinds: Readonly<Record<string, LayerKind>> = { dense, sigmoid, relu, tanh, affine, batchnorm };

/** What a model's text may be made of. */
export const layerNames: readonly string[] = Object.keys(layerKinds);

const layerOptions = Object.fromEntries(
  Object.entries(layerKinds).map(([name, kind]) => [name, kind.options]),
);

export interface LayerSpec {
  readonly kind: LayerKind;
  readonly options: LayerOptions;
  /** Canonical text, for example `batchnorm(momentum=0.8)`. */
  readonly text: string;
  /** For messages: `layer 2 (batchnorm)`, counted from 0 as in the names of tensors. */
  readonly name: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly tensors: readonly Tensor[];
}

export interface Architecture {
  /** Canonical text of the whole model. */
  readonly text: string;
  readonly input: Shape;
  readonly classes: number;
  readonly layers: readonly LayerSpec[];
  /** All tensors in model order, with their places in the flat vector. */
  readonly tensors: readonly Tensor[];
  /** Floats of the flat vector. */
  readonly flatSize: number;
}

/** More layers than this are a mistake, not a model. */
const mostLayers = 1000;
/** The flat vector exists twice, with the optimizer's beside it, in one memory of at most 4 GiB. */
const largestFlatSize = 2 ** 28;

/**
 * Reads a model's text.
 * @throws LockstepError (USAGE) for unknown layers and options, or when the last layer has not `classes` outputs
 */
export function parseArchitecture(text: string, input: Shape, classes: number, where: string): Architecture {
  const calls = parseCalls(text, layerOptions, where);
  if (calls.length === 0)
    throw usageError(`${where}: got no layers, expected for example "dense(200) sigmoid dense(10)"`);
  if (calls.length > mostLayers)
    throw usageError(`${where}: got ${calls.length} layers, expected at most ${mostLayers}`);
  const shapes: Shape[] = [input];
  for (const { name, options } of calls)
    shapes.push(layerKinds[name].outputShape(shapes[shapes.length - 1], options));
  const outputs = shapes[calls.length];
  if (outputs.length !== 1 || outputs[0] !== classes) {
    throw usageError(
      `${where}: the last layer, ${formatCall(calls[calls.length - 1], layerOptions)}, gives ${outputs.join('×')} outputs, ` +
        `expected ${classes}, one a class; end the model with dense(${classes})`,
    );
  }
  const tensors = placeTensors(
    calls.map(({ name, options }, i) => layerKinds[name].tensors(shapes[i], options)),
  );
  if (flatSize(tensors) > largestFlatSize) {
    throw usageError(
      `${where}: the model has ${flatSize(tensors)} parameters, expected at most ${largestFlatSize}`,
    );
  }
  const byLayer = calls.map((): Tensor[] => []);
  for (const tensor of tensors) byLayer[tensor.layer].push(tensor);
  const describe = ({ name, options }: Call, i: number): LayerSpec => ({
    kind: layerKinds[name],
    options,
    text: formatCall({ name, options }, layerOptions),
    name: `layer ${i} (${name})`,
    input: shapes[i],
    output: shapes[i + 1],
    tensors: byLayer[i],
  });
  return {
    text: calls.map((call) => formatCall(call, layerOptions)).join(' '),
    input,
    classes,
    layers: calls.map(describe),
    tensors,
    flatSize: flatSize(tensors),
  };
}
