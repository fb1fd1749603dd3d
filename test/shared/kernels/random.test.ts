/** Uniform and normal numbers: equal in every build, and distributed as they say. */
import fc from 'fast-check';
import t from 'tap';
import { threefry } from '../../../shared/random.ts';
import { fastKernels, holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';
import { density, distanceFromMedian, quantile } from '../../helpers/normal-distribution.ts';
import { errorInUlps } from '../../helpers/ulps.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const count = fc.nat(200);
const word = fc.nat(0xffffffff);
const bound = fc.oneof(fc.constantFrom(0, 1, -1, 0.1, 1e-40, 3e38), fc.double({ noNaN: true }));

t.test('uniform: every build gives the twin’s bits for any key, count and range', (t) => {
  const cases = fc.record({ count, key0: word, key1: word, low: bound, high: bound });
  holdEqual(t, builds, cases, ({ count, key0, key1, low, high }, area) => {
    const out = area.take(count);
    return (kernels) => kernels.uniform(out, count, key0, key1, low, high);
  });
  t.end();
});

t.test('normal: every build gives the twin’s bits for any key, count and deviation', (t) => {
  const cases = fc.record({ count, key0: word, key1: word, deviation: bound });
  holdEqual(t, builds, cases, ({ count, key0, key1, deviation }, area) => {
    const out = area.take(count);
    return (kernels) => kernels.normal(out, count, key0, key1, deviation);
  });
  t.end();
});

const drawCount = 2 ** 17;
const memory = newMemory(9);
const kernels = fastKernels(memory);
const out = new Float32Array(memory.buffer, 64, drawCount);
/** Fixed keys: what is found below is found always. */
const keys = [
  [0, 0],
  [1, 2],
  [0xffffffff, 12_345],
] as const;

t.test('element 0 of key (0, 0) is Random123’s known answer, its upper 24 bits', (t) => {
  kernels.uniform(64, 1, 0, 0, 0, 1);
  t.equal(out[0], 0x6b2001 * 2 ** -24);
  t.end();
});

t.test('an element depends on its key and place alone, not on how many are drawn', (t) => {
  kernels.normal(64, drawCount, 7, 8, 1);
  const long = out.slice(0, 100);
  kernels.normal(64, 99, 7, 8, 1);
  t.same(out.slice(0, 99), long.slice(0, 99));
  kernels.normal(64, 99, 7, 9, 1);
  t.notSame(out.slice(0, 99), long.slice(0, 99));
  t.end();
});

/**
 * Kolmogorov's and Smirnov's √n · D is above 1.95 once in 1000 times for numbers of the right distribution
 * (2 · exp(−2 · 1.95²)).
 */
const kolmogorovBound = 1.95;
/** So is the size of a standard normal above 3.3. */
const normalBound = 3.3;

function kolmogorov(values: Float32Array, distribution: (x: number) => number): number {
  const sorted = values.slice().sort();
  let largest = 0;
  for (const [i, value] of sorted.entries()) {
    const p = distribution(value);
    largest = Math.max(largest, p - i / sorted.length, (i + 1) / sorted.length - p);
  }
  return largest * Math.sqrt(sorted.length);
}

/** The mean of some function of the values, in deviations of that mean. */
function meanInDeviations(values: Float32Array, of: (x: number) => number, mean: number, variance: number) {
  const sum = values.reduce((total, value) => total + of(value), 0);
  return (sum / values.length - mean) / Math.sqrt(variance / values.length);
}

/** Neighbours: the average of the products of two standardised ones. */
function neighbours(values: Float32Array, standardise: (x: number) => number): number {
  let sum = 0;
  for (let i = 1; i < values.length; i++) sum += standardise(values[i - 1]) * standardise(values[i]);
  return sum / Math.sqrt(values.length - 1);
}

for (const [key0, key1] of keys) {
  t.test(`key (${key0}, ${key1}): uniform numbers are uniform in [−3, 5)`, (t) => {
    kernels.uniform(64, drawCount, key0, key1, -3, 5);
    const found = {
      distribution: kolmogorov(out, (x) => (x + 3) / 8),
      mean: meanInDeviations(out, (x) => x, 1, 64 / 12),
      neighbours: neighbours(out, (x) => (x - 1) / Math.sqrt(64 / 12)),
    };
    t.comment(JSON.stringify(found));
    t.ok(found.distribution < kolmogorovBound);
    t.ok(Math.abs(found.mean) < normalBound && Math.abs(found.neighbours) < normalBound);
    t.ok(out.every((x) => x >= -3 && x < 5));
    t.end();
  });

  t.test(`key (${key0}, ${key1}): normal numbers have the moments and the distribution they should`, (t) => {
    kernels.normal(64, drawCount, key0, key1, 2);
    const found = {
      distribution: kolmogorov(out, (x) => 0.5 + distanceFromMedian(x / 2)),
      mean: meanInDeviations(out, (x) => x / 2, 0, 1),
      // Of z², z³ and z⁴: mean 1, 0, 3, variance 2, 15, 96.
      variance: meanInDeviations(out, (x) => (x / 2) ** 2, 1, 2),
      skewness: meanInDeviations(out, (x) => (x / 2) ** 3, 0, 15),
      kurtosis: meanInDeviations(out, (x) => (x / 2) ** 4, 3, 96),
      neighbours: neighbours(out, (x) => x / 2),
    };
    t.comment(JSON.stringify(found));
    const { distribution, ...deviations } = found;
    t.ok(distribution < kolmogorovBound);
    t.ok(Object.values(deviations).every((value) => Math.abs(value) < normalBound));
    t.end();
  });
}

/**
 * The largest error of the inverse distribution function, 4.897 over 8,385,810 of the 2²³ arguments that can
 * occur, rounded up; in units in the last place. PPND7 itself is right to about 1 in 10⁷ (Wichura, 1988), which is
 * up to 1.7 units; the rest is the rounding of two polynomials of degree 3, of log and √.
 */
const inverseBound = 5;

t.test(`normal numbers are the inverse distribution function’s within ${inverseBound} units`, (t) => {
  let [worst, at, inTails] = [0, 0, 0];
  for (const [key0, key1] of keys) {
    kernels.normal(64, drawCount, key0, key1, 1);
    for (let i = 0; i < drawCount; i++) {
      const q = ((threefry([key0, key1], i, 0)[0] >>> 9) + 0.5) * 2 ** -23 - 0.5;
      if (Math.abs(q) > 0.425) inTails++;
      const error = errorInUlps(out[i], quantile(q, out[i]));
      if (error > worst) [worst, at] = [error, q];
    }
  }
  t.comment(`the largest error ${worst.toFixed(3)} units in the last place, at p = ½ + ${at}`);
  t.ok(worst <= inverseBound && worst > inverseBound / 3);
  t.ok(inTails > drawCount / 10, 'both branches were taken');
  t.end();
});

t.test('Newton’s method finds quantiles that tables give', (t) => {
  for (const [p, z] of [
    [0.975, 1.959963984540054],
    [0.8413447460685429, 1],
    [0.9999997133484281, 5],
    [0.5 + 2 ** -24, 2 ** -24 * Math.sqrt(2 * Math.PI)], // by the slope at the median
  ]) {
    const found = quantile(p - 0.5, z * 1.01);
    // The digits given of p and z end at 10⁻¹⁶, which moves z by that over the density; at most tenfold.
    t.ok(Math.abs(found - z) <= (10 * 1e-16) / density(z), `${p}: ${found}`);
  }
  t.end();
});
