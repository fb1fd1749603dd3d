/** The messages of ONNX (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), as much as a model of ours needs. */
import { bytesOf } from '../../shared/digest.ts';
import { float, integer, message, type Parts, text } from '../protobuf.ts';

/** ONNX 1.12 (2022): what runs a model today has it. */
const irVersion = 8;
const opset = 17;

const elementTypes = { float32: 1, int64: 7 } as const;
const attributeTypes = { float: 1, integer: 2 } as const;

/** A constant of the graph: a parameter, or a number of the recipe. */
export interface Initializer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface Node {
  /** Of ONNX: `Gemm`, `Relu` … */
  readonly operator: string;
  readonly inputs: readonly string[];
  /** The name of its one output, and its own. */
  readonly output: string;
  readonly integers?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
}

/** What goes in or comes out; the first length, of the batch, is any. */
export interface Value {
  readonly name: string;
  readonly type: keyof typeof elementTypes;
  readonly shape: readonly (number | 'batch')[];
  readonly about: string;
}

export interface Graph {
  readonly name: string;
  readonly about: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
}

/** A file's bytes (ModelProto), in parts to be written one behind the other. */
export function encodeModel(
  graph: Graph,
  version: string,
  metadata: Readonly<Record<string, string>>,
): Parts {
  return [
    integer(1, irVersion),
    text(2, 'lockstep'),
    text(3, version),
    message(7, graphFields(graph)),
    message(8, text(1, ''), integer(2, opset)),
    ...Object.entries(metadata).map(([key, value]) => message(14, text(1, key), text(2, value))),
  ].flat();
}

function graphFields({ name, about, inputs, outputs, nodes, initializers }: Graph): Parts {
  return [
    ...nodes.map((node) => message(1, nodeFields(node))),
    text(2, name),
    ...initializers.map((initializer) => message(5, tensorFields(initializer))),
    text(10, about),
    ...inputs.map((value) => message(11, valueFields(value))),
    ...outputs.map((value) => message(12, valueFields(value))),
  ].flat();
}

function nodeFields({ operator, inputs, output, integers = {}, floats = {} }: Node): Parts {
  return [
    ...inputs.map((input) => text(1, input)),
    text(2, output),
    text(3, output),
    text(4, operator),
    ...Object.entries(floats).map(([name, value]) =>
      message(5, text(1, name), float(2, value), integer(20, attributeTypes.float)),
    ),
    ...Object.entries(integers).map(([name, value]) =>
      message(5, text(1, name), integer(3, value), integer(20, attributeTypes.integer)),
    ),
  ].flat();
}

function tensorFields({ name, shape, values }: Initializer): Parts {
  return [
    ...shape.map((length) => integer(1, length)),
    integer(2, elementTypes.float32),
    text(8, name),
    message(9, [bytesOf(values)]),
  ].flat();
}

function valueFields({ name, type, shape, about }: Value): Parts {
  const lengths = shape.map((length) =>
    message(1, typeof length === 'number' ? integer(1, length) : text(2, length)),
  );
  const tensor = message(1, integer(1, elementTypes[type]), message(2, ...lengths));
  return [...text(1, name), ...message(2, tensor), ...text(3, about)];
}
