/** Small random networks and batches for the tests of the reference: the same for the same seed, always. */

import { describeTensors, type Layer, sizeOf, type Tensors } from './layers.ts';

/** Numbers from −1 up to 1 by a linear congruential generator (Numerical Recipes, 3rd edition, § 7.1.4). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/**
 * Initial values for `layers`, all of them binary32 numbers so that they survive a file of F32:
 * weights and biases in ±1 ÷ √inputs, scales in 0.5 … 1.5, shifts and running means in ±0.5,
 * running variances in 0.5 … 1.5. No value is the neutral one, so a use of the wrong tensor shows.
 */
export function randomTensors(layers: readonly Layer[], random: () => number): Tensors {
  const tensors: Tensors = new Map();
  for (const { name, shape } of describeTensors(layers)) {
    const [index, role] = name.split('.');
    const layer = layers[Number(index)];
    const values = new Float64Array(sizeOf(shape));
    for (let i = 0; i < values.length; i++) {
      if (layer.kind === 'dense') values[i] = random() / Math.sqrt(layer.inputs);
      else values[i] = random() / 2 + (role === 'weight' || role === 'running_var' ? 1 : 0);
    }
    tensors.set(name, values.map(Math.fround));
  }
  return tensors;
}

/** A batch: x (rows, features) of binary32 numbers in ±1, and a label below `classes` for every row. */
export function randomBatch(
  rows: number,
  features: number,
  classes: number,
  random: () => number,
): { x: Float32Array; labels: Uint8Array } {
  const x = new Float32Array(rows * features);
  for (let i = 0; i < x.length; i++) x[i] = random();
  const labels = new Uint8Array(rows);
  for (let r = 0; r < rows; r++) labels[r] = Math.floor(((random() + 1) / 2) * classes);
  return { x, labels };
}
