/** A model as ONNX: the scaling of pixels, the layers as they are in evaluation, probabilities and labels. */
import type { Scale } from '../../shared/data/scale.ts';
import { affine, relu, sigmoid, tanh } from '../../shared/model/activation.ts';
import type { Architecture, LayerSpec } from '../../shared/model/architecture.ts';
import { batchnorm } from '../../shared/model/batch-norm.ts';
import { dense } from '../../shared/model/dense.ts';
import type { LayerKind } from '../../shared/model/layer.ts';
import type { Snapshot } from '../../shared/model/snapshot.ts';
import { version } from '../../shared/version.ts';
import type { Parts } from '../protobuf.ts';
import { encodeModel, type Initializer, type Node } from './proto.ts';

type Operation = Omit<Node, 'inputs' | 'output'> & {
  /** Beside what flows through. */
  readonly constants?: readonly string[];
};

/** Nodes one behind the other, each taking what the one before it gave, and the constants that they use. */
class Chain {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  last: string;

  constructor(input: string) {
    this.last = input;
  }

  append(output: string, { constants = [], ...operation }: Operation): void {
    this.nodes.push({ ...operation, inputs: [this.last, ...constants], output });
    this.last = output;
  }

  constant(name: string, value: number): string {
    this.initializers.push({ name, shape: [], values: Float32Array.of(value) });
    return name;
  }
}

/** The same operations in the same order as the table of scaled bytes (shared/data/scale.ts). */
const scalings: Readonly<Record<Scale, readonly (readonly [operator: 'Div' | 'Sub' | 'Mul', by: number])[]>> =
  {
    signed: [
      ['Div', 255],
      ['Sub', 0.5],
      ['Mul', 2],
    ],
    standard: [
      ['Div', 255],
      ['Sub', 0.1307],
      ['Div', 0.3081],
    ],
    unit: [['Div', 255]],
  };

const element = (operator: string) => (chain: Chain, _layer: LayerSpec, name: string) =>
  chain.append(name, { operator });

const layers = new Map<LayerKind, (chain: Chain, layer: LayerSpec, name: string) => void>([
  [
    dense,
    (chain, { tensors }, name) =>
      chain.append(name, { operator: 'Gemm', constants: namesOf(tensors), integers: { transB: 1 } }),
  ],
  [
    batchnorm,
    (chain, { tensors, options }, name) =>
      chain.append(name, {
        operator: 'BatchNormalization',
        constants: namesOf(tensors),
        floats: { epsilon: Number(options.epsilon) },
      }),
  ],
  [sigmoid, element('Sigmoid')],
  [relu, element('Relu')],
  [tanh, element('Tanh')],
  [
    affine,
    (chain, { options }, name) => {
      const slope = chain.constant(`${name}.slope`, Number(options.slope));
      const intercept = chain.constant(`${name}.intercept`, Number(options.intercept));
      chain.append(`${name}.scaled`, { operator: 'Mul', constants: [slope] });
      chain.append(name, { operator: 'Add', constants: [intercept] });
    },
  ],
]);

/**
 * The bytes of an ONNX file (opset 17), in parts to be written one behind the other. `images`, float32 (batch, 1, 28,
 * 28) of the bytes 0 … 255 as they are, → `probabilities`, float32 (batch, classes), and `label`, int64 (batch). Tensors
 * have the names that they have in a safetensors file.
 */
export function encodeOnnx(
  architecture: Architecture,
  scale: Scale,
  snapshot: Snapshot,
  metadata: Readonly<Record<string, string>>,
): Parts {
  const input = 'images';
  const chain = new Chain(input);
  for (const { name, shape } of architecture.tensors) {
    const values = snapshot.tensors.get(name);
    if (values === undefined) throw new Error(`the snapshot has no ${name}`);
    chain.initializers.push({ name, shape, values });
  }
  chain.append('pixels', { operator: 'Flatten', integers: { axis: 1 } });
  for (const [step, [operator, by]] of scalings[scale].entries()) {
    const name = `scale.${step}`;
    chain.append(name, { operator, constants: [chain.constant(`${name}.by`, by)] });
  }
  for (const [index, layer] of architecture.layers.entries()) {
    const append = layers.get(layer.kind);
    if (append === undefined) throw new Error(`${layer.name} has no counterpart in ONNX yet`);
    append(chain, layer, `layer.${index}`);
  }
  const logits = chain.last;
  const { nodes, initializers } = chain;
  const graph = {
    name: 'lockstep',
    about: architecture.text,
    inputs: [
      {
        name: input,
        type: 'float32',
        shape: ['batch', ...architecture.input],
        about: 'the bytes 0 … 255 of an image as they are, bright on dark; they are scaled inside',
      },
    ],
    outputs: [
      {
        name: 'probabilities',
        type: 'float32',
        shape: ['batch', architecture.classes],
        about: 'by class, they sum to 1',
      },
      { name: 'label', type: 'int64', shape: ['batch'], about: 'the most probable class' },
    ],
    nodes: [
      ...nodes,
      { operator: 'Softmax', inputs: [logits], output: 'probabilities', integers: { axis: 1 } },
      // Of the logits: two of them may differ where their probabilities round to the same.
      { operator: 'ArgMax', inputs: [logits], output: 'label', integers: { axis: 1, keepdims: 0 } },
    ],
    initializers,
  } as const;
  return encodeModel(graph, version, metadata);
}

function namesOf(tensors: LayerSpec['tensors']): string[] {
  return tensors.map(({ name }) => name);
}
