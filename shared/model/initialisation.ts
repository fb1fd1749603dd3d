/** Initial values, drawn by the counter-based generator with a key of (seed, tensor). */

import { type Call, type CallTable, formatCall, parseCall } from '../calls.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { SharedMemory } from '../kernels/webassembly.ts';
import { streamKey, streams } from '../random.ts';
import type { Architecture } from './architecture.ts';
import { packTensor, type Tensor, valueCount } from './tensors.ts';

const initialisations: CallTable = {
  /** N(0, 2 ÷ in) (He, Zhang, Ren and Sun, 2015). */
  he: {},
  /** U(−a, a), a = √(6 ÷ (in + out)) (Glorot and Bengio, 2010). */
  glorot: {},
  /** The note's: a standard normal times a gain, by default 0.01. */
  std_normal: { gain: { kind: 'number', min: 0, default: 0.01 } },
  normal: { std: { kind: 'number', min: 0, default: 0.01 } },
  uniform: { range: { kind: 'number', min: 0, default: 0.05 } },
};

export const initialisationNames = Object.keys(initialisations);

export function canonicalInitialisation(text: string, where: string): string {
  return formatCall(parseCall(text, initialisations, where), initialisations);
}

/**
 * Writes the initial value of every tensor into a flat vector: weights by the initialisation, biases and shifts
 * 0, scales 1 or U(0, 1), running means 0, running variances 1.
 * @param scratch byte offset of room for the largest tensor, in file order
 */
export function initialise(
  architecture: Architecture,
  initialisation: string,
  seed: number,
  kernels: Kernels,
  memory: SharedMemory,
  flat: Float32Array,
  scratch: number,
): void {
  const call = parseCall(initialisation, initialisations, 'init');
  for (const [index, tensor] of architecture.tensors.entries()) {
    const values = new Float32Array(memory.buffer, scratch, valueCount(tensor));
    const [key0, key1] = streamKey(seed, streams.initial, index);
    if (tensor.role === 'weight') drawWeight(call, tensor, kernels, scratch, key0, key1);
    else if (tensor.role === 'scale' && architecture.layers[tensor.layer].options.scale === 'uniform') {
      kernels.uniform(scratch, values.length, key0, key1, 0, 1);
    } else values.fill(tensor.role === 'scale' || tensor.role === 'runningVariance' ? 1 : 0);
    packTensor(flat, tensor, values);
  }
}

// Widths are integers, √ and ÷ are correctly rounded: the deviations below are the same binary32 everywhere.
function drawWeight(
  call: Call,
  tensor: Tensor,
  kernels: Kernels,
  out: number,
  key0: number,
  key1: number,
): void {
  const count = valueCount(tensor);
  const [outputs, inputs] = tensor.shape;
  const root = (x: number) => Math.fround(Math.sqrt(Math.fround(x)));
  const symmetric = (bound: number) => kernels.uniform(out, count, key0, key1, -bound, bound);
  switch (call.name) {
    case 'he':
      kernels.normal(out, count, key0, key1, root(2 / inputs));
      break;
    case 'glorot':
      symmetric(root(6 / (inputs + outputs)));
      break;
    case 'std_normal':
      kernels.normal(out, count, key0, key1, Number(call.options.gain));
      break;
    case 'normal':
      kernels.normal(out, count, key0, key1, Number(call.options.std));
      break;
    case 'uniform':
      symmetric(Number(call.options.range));
      break;
    default:
      throw new Error(`no such initialisation: ${call.name}`);
  }
}
