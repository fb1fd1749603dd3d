/** A small training for other libraries, on tiny data. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerJob } from '../../scripts/bench/peers/protocol.ts';
import { describeTensors, type Layer, type Tensors } from './reference/layers.ts';
import { randomNumbers, randomTensors } from './reference/random-data.ts';
import { idxNames, writeTinyData } from './tiny-data.ts';

export const batchSize = 16;
export const layers: readonly Layer[] = [
  { kind: 'dense', inputs: 784, outputs: 12 },
  { kind: 'sigmoid' },
  { kind: 'batchnorm', features: 12, momentum: 0.9, epsilon: 1e-5, unbiased: false },
  { kind: 'dense', inputs: 12, outputs: 9 },
  { kind: 'batchnorm', features: 9, momentum: 0.5, epsilon: 1e-3, unbiased: false },
  { kind: 'relu' },
  { kind: 'dense', inputs: 9, outputs: 8 },
  { kind: 'tanh' },
  { kind: 'dense', inputs: 8, outputs: 10 },
];
export const scale = { mean: 0.5, factor: 2 };
export const initial = randomTensors(layers, randomNumbers(1));

/** A job on tiny data; `learningRate` 0.1. */
export function tinyJob(folder: string, samples: number, momentum: number): PeerJob {
  writeTinyData(folder);
  const weights = join(folder, 'weights.safetensors');
  writeFileSync(weights, safetensorsOf(initial));
  return {
    images: join(folder, idxNames.trainImages),
    labels: join(folder, idxNames.trainLabels),
    scale,
    samples,
    batchSize,
    layers: layers.map((layer) =>
      layer.kind === 'dense' ? { ...layer, units: layer.outputs } : layer,
    ) as PeerJob['layers'],
    learningRate: 0.1,
    momentum,
    weights,
  };
}

function safetensorsOf(tensors: Tensors): Buffer {
  let offset = 0;
  const header = describeTensors(layers).map(({ name, shape }) => {
    const begin = offset;
    offset += 4 * (tensors.get(name)?.length ?? 0);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const values = [...tensors.values()].map((tensor) => new Uint8Array(Float32Array.from(tensor).buffer));
  return Buffer.concat([length, json, ...values]);
}
