/** The accuracy of moments: shards by two passes, merged by Chan, Golub and LeVeque, against binary64. */
import t from 'tap';
import { fastKernels, newMemory, seed } from '../../helpers/kernels.ts';
import { randomWords } from '../../helpers/values.ts';

t.comment(`seed ${seed}`);

/** Half a unit in the last place, relative: the most by which one operation is off. */
const u = 2 ** -24;

interface Sums {
  readonly mean: number;
  readonly m2: number;
}

/** In two passes over binary32 values; the error of binary64 is below all that is looked at here. */
function truthOf(values: Float32Array): Sums {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, m2: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) };
}

/**
 * How far the result may be off, to first order in u. Let A be the largest |value|, n the samples, s those of a
 * shard, L the levels of the tree.
 * - Mean: s additions and a division in a shard are off by at most (s + 1) · u · A. A level averages two means
 *   and adds the roundings of δ (2A), of the share and of the sum: 5 · u · A at most.
 *   So e = (s + 1 + 5L) · u · A.
 * - M2: rounding of terms and sums is off by (s + 8 + 4L) · u · M2 (all terms are positive).
 *   Distances from a centre that is off by e add n · e². A merge has δ² · (ab ÷ n), δ off by d = 2e + 2 · u · A:
 *   (2|δ| · d + d²) · ab ÷ n. The sum of ab ÷ n over the merges of a level is at most n ÷ 4, the sum of all
 *   δ² · ab ÷ n at most M2; by Cauchy and Schwarz the whole is at most 2d · √(M2 · nL ÷ 4) + d² · nL ÷ 4.
 */
function bounds(values: Float32Array, shardSize: number, m2: number): Sums {
  const n = values.length;
  const s = Math.min(shardSize, n);
  const levels = Math.ceil(Math.log2(Math.ceil(n / s)));
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const e = (s + 1 + 5 * levels) * u * largest;
  const d = 2 * e + 2 * u * largest;
  const merging = (n * levels) / 4;
  return {
    mean: e,
    m2: (s + 8 + 4 * levels) * u * m2 + n * e * e + 2 * d * Math.sqrt(m2 * merging) + d * d * merging,
  };
}

const memory = newMemory(6);
const floats = new Float32Array(memory.buffer);
const kernels = fastKernels(memory);

/** Moments of one column, cut into shards. */
function momentsOf(values: Float32Array, shardSize: number): Sums {
  const [x, slots, mean, m2, stack] = [64, 196_672, 212_992, 213_056, 262_144];
  for (const [row, value] of values.entries()) floats[x / 4 + 16 * row] = value;
  const shards = Math.ceil(values.length / shardSize);
  for (let shard = 0; shard < shards; shard++) {
    const rows = Math.min(shardSize, values.length - shard * shardSize);
    const slot = slots + 128 * shard;
    kernels.moments(x + 64 * shard * shardSize, 64 * values.length, rows, 1, slot, slot + 64);
  }
  kernels.mergeMoments(slots, 128, 16, values.length, shardSize, 0, shards, 0, 16, mean, m2, stack);
  return { mean: floats[mean / 4], m2: floats[m2 / 4] };
}

/** Bell-shaped enough: the sum of four uniform numbers, with this mean and deviation. */
function draw(count: number, mean: number, deviation: number, random: () => number): Float32Array {
  const uniform = () => random() / 2 ** 32 - 0.5;
  return Float32Array.from({ length: count }, () => {
    return mean + deviation * Math.sqrt(3) * (uniform() + uniform() + uniform() + uniform());
  });
}

t.test('merged moments are those of binary64 within what rounding explains', (t) => {
  const random = randomWords(seed);
  let largest = 0;
  for (const [count, shardSize] of [
    [1, 8],
    [7, 8],
    [64, 8],
    [100, 1],
    [127, 16],
    [1000, 64],
    [3000, 64],
  ]) {
    for (const mean of [0, 1, -30, 1e4]) {
      const values = draw(count, mean, 1, random);
      const truth = truthOf(values);
      const bound = bounds(values, shardSize, truth.m2);
      const got = momentsOf(values, shardSize);
      const share = Math.max(
        Math.abs(got.mean - truth.mean) / bound.mean,
        bound.m2 === 0 ? 0 : Math.abs(got.m2 - truth.m2) / bound.m2,
      );
      largest = Math.max(largest, share);
      if (share > 1)
        t.fail(`${count} samples about ${mean} in shards of ${shardSize}`, { got, truth, bound });
    }
  }
  t.comment(`largest error: ${largest.toFixed(3)} of its bound`);
  t.ok(largest > 0 && largest <= 1);
  t.end();
});

t.test('a small variance about a large mean survives, where E[x²] − E[x]² would have lost it', (t) => {
  const f = Math.fround;
  const values = draw(128, 1e4, 0.25, randomWords(seed + 1));
  const truth = truthOf(values);
  const bound = bounds(values, 16, truth.m2).m2;
  const { m2 } = momentsOf(values, 16);
  const average = (terms: Float32Array) => f(terms.reduce((sum, term) => f(sum + term), 0) / terms.length);
  const mean = average(values);
  const naive = f(average(values.map((value) => f(value * value))) - f(mean * mean));
  const naiveM2 = naive * values.length;
  t.comment(`M2 ${truth.m2}, merged ${m2}, n · (E[x²] − E[x]²) ${naiveM2}; bound ±${bound}`);
  t.ok(Math.abs(m2 - truth.m2) <= bound && bound < truth.m2 / 2, 'the merged one is right within its bound');
  // Squares near 10⁸ are whole multiples of 8: their mean cannot say anything about a variance of 1/16.
  t.ok(Math.abs(naiveM2 - truth.m2) > 100 * bound, 'the naive formula has no digit right');
  t.end();
});
