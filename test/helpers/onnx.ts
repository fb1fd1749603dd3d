/** An ONNX file read back, and its graph computed in binary64 by the words of the operators' specification. */
import { Message } from './protobuf.ts';

export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

export interface OnnxNode {
  readonly operator: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, number>>;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly irVersion: number;
  readonly opsets: readonly (readonly [domain: string, version: number])[];
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Field numbers from onnx.proto. */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  const model = new Message(Buffer.from(bytes));
  const graph = model.message(7);
  if (graph.text(2) === '') throw new Error('a graph needs a name');
  return {
    irVersion: model.integer(1),
    opsets: model.messages(8).map((set) => [set.text(1), set.integer(2)]),
    producer: model.text(2),
    metadata: Object.fromEntries(model.messages(14).map((entry) => [entry.text(1), entry.text(2)])),
    nodes: graph.messages(1).map((node) => ({
      operator: node.text(4),
      name: node.text(3),
      inputs: node.texts(1),
      outputs: node.texts(2),
      attributes: Object.fromEntries(node.messages(5).map(readAttribute)),
    })),
    constants: new Map(graph.messages(5).map((tensor) => [tensor.text(8), readTensor(tensor)])),
    inputs: graph.messages(11).map(readValue),
    outputs: graph.messages(12).map(readValue),
  };
}

function readAttribute(attribute: Message): [string, number] {
  const types: Record<number, () => number> = { 1: () => attribute.float(2), 2: () => attribute.integer(3) };
  return [attribute.text(1), types[attribute.integer(20)]()];
}

function readTensor(tensor: Message): OnnxTensor {
  if (tensor.integer(2) !== 1) throw new Error('not float32');
  const shape = tensor.integers(1);
  const raw = tensor.bytes(9);
  const values = Float64Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(4 * i));
  if (values.length !== shape.reduce((a, b) => a * b, 1))
    throw new Error(`${tensor.text(8)} has a wrong length`);
  return { shape, values };
}

function readValue(value: Message): OnnxValue {
  const tensor = value.message(2).message(1);
  const dims = tensor.message(2).messages(1);
  return {
    name: value.text(1),
    type: tensor.integer(1),
    shape: dims.map((dim) => (dim.has(2) ? dim.text(2) : dim.integer(1))),
  };
}

/** All values of the graph by name, for one input. */
export function computeOnnx(model: OnnxModel, input: OnnxTensor): Map<string, OnnxTensor> {
  const known = new Map<string, OnnxTensor>([...model.constants, [model.inputs[0].name, input]]);
  for (const node of model.nodes) {
    const inputs = node.inputs.map((name) => {
      const value = known.get(name);
      if (value === undefined) throw new Error(`${node.name} takes ${name}, which is not known yet`);
      return value;
    });
    if (node.outputs.length !== 1 || known.has(node.outputs[0])) throw new Error(`${node.name}: its output`);
    known.set(node.outputs[0], compute(node, inputs));
  }
  return known;
}

function compute({ operator, attributes }: OnnxNode, inputs: readonly OnnxTensor[]): OnnxTensor {
  const [x, ...rest] = inputs;
  const [rows] = x.shape;
  const width = x.values.length / rows;
  const map = (value: (x: number, column: number) => number): OnnxTensor => ({
    shape: x.shape,
    values: Float64Array.from(x.values, (v, i) => value(v, i % width)),
  });
  /** Only numbers are added, subtracted … here. */
  const scalar = (): number => {
    if (rest[0].values.length !== 1) throw new Error(`${operator} of more than a number`);
    return rest[0].values[0];
  };
  const row = (index: number) => Array.from({ length: width }, (_, i) => x.values[index * width + i]);
  switch (operator) {
    case 'Flatten':
      return { shape: [rows, width], values: x.values };
    case 'Add':
      return map((v) => v + scalar());
    case 'Sub':
      return map((v) => v - scalar());
    case 'Mul':
      return map((v) => v * scalar());
    case 'Div':
      return map((v) => v / scalar());
    case 'Relu':
      return map((v) => Math.max(0, v));
    case 'Tanh':
      return map(Math.tanh);
    case 'Sigmoid':
      return map((v) => 1 / (1 + Math.exp(-v)));
    case 'BatchNormalization': {
      const [scale, shift, mean, variance] = rest.map(({ values }) => values);
      const { epsilon } = attributes;
      return map((v, c) => (scale[c] * (v - mean[c])) / Math.sqrt(variance[c] + epsilon) + shift[c]);
    }
    case 'Gemm': {
      const [weight, bias] = rest;
      if (attributes.transB !== 1) throw new Error('Gemm with transB=1 is expected');
      const [outputs] = weight.shape;
      const values = Float64Array.from({ length: rows * outputs }, (_, i) => {
        const o = i % outputs;
        return row(Math.floor(i / outputs)).reduce(
          (sum, v, k) => sum + v * weight.values[o * width + k],
          bias.values[o],
        );
      });
      return { shape: [rows, outputs], values };
    }
    case 'Softmax': {
      const values = Array.from({ length: rows }, (_, index) => {
        const largest = Math.max(...row(index));
        const terms = row(index).map((v) => Math.exp(v - largest));
        const sum = terms.reduce((a, b) => a + b, 0);
        return terms.map((term) => term / sum);
      });
      return { shape: x.shape, values: values.flat() };
    }
    case 'ArgMax': {
      const values = Array.from({ length: rows }, (_, index) => row(index).indexOf(Math.max(...row(index))));
      return { shape: attributes.keepdims === 0 ? [rows] : [rows, 1], values };
    }
    default:
      throw new Error(`no operator ${operator}`);
  }
}
