/** A writer of safetensors files for PyTorch's side of a comparison; it shares no code with the product's. */

import { describeTensors, type Layer, sizeOf, tensorNamed } from '../reference/layers.ts';

type Entry = { dtype: 'F32' | 'I64'; shape: number[]; data_offsets: [number, number] };

/**
 * The bytes of a safetensors file that holds `tensors` as F32 and a `num_batches_tracked` of 0 (I64) for
 * every batch norm: the state dict of the `nn.Sequential` of these layers. Values are rounded to binary32.
 * https://github.com/huggingface/safetensors#format
 */
export function encodeSafetensors(
  layers: readonly Layer[],
  tensors: ReadonlyMap<string, Float64Array>,
): Buffer {
  const header: Record<string, Entry> = {};
  const data: Buffer[] = [];
  let offset = 0;
  const append = (name: string, dtype: Entry['dtype'], shape: number[], bytes: Buffer): void => {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    data.push(bytes);
    offset += bytes.length;
  };
  for (const { name, shape } of describeTensors(layers)) {
    const bytes = Buffer.alloc(4 * sizeOf(shape));
    tensorNamed(tensors, name).forEach((value, i) => {
      bytes.writeFloatLE(value, 4 * i);
    });
    append(name, 'F32', shape, bytes);
  }
  for (const [index, layer] of layers.entries()) {
    if (layer.kind === 'batchnorm') append(`${index}.num_batches_tracked`, 'I64', [], Buffer.alloc(8));
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...data]);
}
