/**
 * exp, log, sigmoid and tanh against `Math` in binary64, whose own error (below 2⁻⁵² of the value) is nothing
 * beside a unit in the last place of binary32.
 *
 * The bounds are the largest errors over all 2³² floats, rounded up; the test looks at every 1009th.
 * Where they come from, in units in the last place (ulps) of the result:
 * - exp: half a unit each for the last fused multiply-add and for r + 1, the rest for r (rounded twice) and the
 *   polynomial. A subnormal result is rounded once more, in units that are larger.
 * - log: half a unit for the last fused multiply-add, the rest for the sum before it, which is small beside it.
 * - tanh: half a unit for the quotient; 1 − t and 1 + t are off by a half each, and t by that of exp.
 * - sigmoid: half a unit for the quotient, a half for 1 + e and the error of e = exp(−x) where e is large; the
 *   quotient's digit may be worth half as much as the divisor's, so these two count double.
 */
import t from 'tap';
import { type Kernels, padded } from '../../../shared/kernels/kernels.ts';
import { fastKernels, kernelBuilds, newMemory } from '../../helpers/kernels.ts';
import { errorInUlps } from '../../helpers/ulps.ts';
import { bitsOf, floatOf } from '../../helpers/values.ts';

const everyNth = 1009;
const { POSITIVE_INFINITY: infinity, NaN: nan } = Number;

/** Measured over all floats: 1.25880, 0.82655, 1.50206, 3.18997. */
const bounds = { exp: 1.26, log: 0.83, tanh: 1.51, sigmoid: 3.2 } as const;
type Name = keyof typeof bounds;

const truths: Record<Name, (x: number) => number> = {
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/** Between these, ends included, the result neither overflows nor is cut to 0. */
const domains: Record<Name, readonly [number, number]> = {
  exp: [-104, 88.72283],
  log: [2 ** -149, 3.4028234663852886e38],
  tanh: [-3.4028234663852886e38, 3.4028234663852886e38],
  sigmoid: [-88.72283, 3.4028234663852886e38],
};

/** exp(x) is infinite from 2¹²⁸ · (1 − 2⁻²⁵) on, sigmoid then 0: the true value there is below 2⁻¹²⁷. */
const firstInfinite = 88.72284;

const chunk = 2 ** 16;
const memory = newMemory(16);
const kernels = fastKernels(memory);
const words = new Uint32Array(memory.buffer, 64, chunk);
const inputs = new Float32Array(memory.buffer, 64, chunk);
const outputs = new Float32Array(memory.buffer, 64 + 4 * chunk, chunk);

/** Runs a function over `count` floats, a multiple of 16: as a vector, or as a matrix of one panel. */
function run(of: Kernels, name: Name, x: number, y: number, count: number): void {
  if (name === 'exp' || name === 'log') of[name](x, y, count);
  else of[name](x, y, 4 * count, count / 16, 1);
}

/** Visits x and the kernel's result for every nth float of both signs, from the smallest to the largest. */
function visit(name: Name, step: number, look: (x: number, result: number) => void): void {
  for (const sign of [0, 0x80000000]) {
    for (let base = 0; base < 0x7f800000; base += chunk * step) {
      let count = 0;
      for (let bits = base; count < chunk && bits < 0x7f800000; bits += step) words[count++] = bits | sign;
      run(kernels, name, 64, 64 + 4 * chunk, padded(count));
      for (let i = 0; i < count; i++) look(inputs[i], outputs[i]);
    }
  }
}

for (const name of ['exp', 'log', 'tanh', 'sigmoid'] as const) {
  t.test(`${name} is within ${bounds[name]} units in the last place of the true value`, (t) => {
    const [from, to] = domains[name];
    const truth = truths[name];
    let [worst, at, looked] = [0, nan, 0];
    visit(name, everyNth, (x, result) => {
      if (x < from || x > to) return;
      const error = errorInUlps(result, truth(x));
      looked++;
      if (error <= worst) return;
      worst = error;
      at = x;
    });
    t.comment(`${looked} floats, the largest error ${worst.toFixed(4)} at ${at}`);
    t.ok(looked > 1_000_000 && worst <= bounds[name]);
    t.ok(worst > bounds[name] / 2, 'the bound is no excuse');
    t.end();
  });
}

t.test('outside their range exp and sigmoid are what is nearest, or cut to 0', (t) => {
  let [looked, wrong, largestCut] = [0, 0, 0];
  visit('exp', everyNth, (x, result) => {
    if (x >= domains.exp[0] && x <= domains.exp[1]) return;
    looked++;
    if (result !== (x < 0 ? 0 : infinity)) wrong++;
  });
  visit('sigmoid', everyNth, (x, result) => {
    if (x >= domains.sigmoid[0]) return;
    looked++;
    if (result !== 0) wrong++;
    largestCut = Math.max(largestCut, truths.sigmoid(x));
  });
  t.ok(looked > 1_000_000 && wrong === 0, `${wrong} of ${looked} are wrong`);
  t.ok(largestCut > 0 && largestCut < 2 ** -127, `what sigmoid cuts to 0 is at most ${largestCut}`);
  t.end();
});

/** f(x) of every build. */
function valuesOf(name: Name, xs: readonly number[]): { build: string; results: number[] }[] {
  return kernelBuilds(t).map(({ name: build, instantiate }) => {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    floats.set(xs, 16);
    run(instantiate(memory), name, 64, 4096, padded(xs.length));
    return { build, results: [...floats.slice(1024, 1024 + xs.length)] };
  });
}

/** The floats on both sides of a value. */
const below = (value: number) => floatOf(bitsOf(value) - 1);

const special: Record<Name, readonly (readonly [number, number])[]> = {
  exp: [
    [0, 1],
    [-0, 1],
    [-infinity, 0],
    [-104, 0],
    [-1e38, 0],
    // ½ · 2⁻¹⁴⁹ is exp(−103.97208): what is above it rounds to the smallest subnormal.
    [-103.97207, 2 ** -149],
    [-103.97209, 0],
    [89, infinity],
    [firstInfinite, infinity],
    [infinity, infinity],
    [nan, nan],
  ],
  log: [
    [0, -infinity],
    [-0, -infinity],
    [1, 0],
    [-1, nan],
    [-(2 ** -149), nan],
    [-infinity, nan],
    [infinity, infinity],
    [nan, nan],
  ],
  tanh: [
    [0, 0],
    [-0, 0], // x + x³ · …, which is −0 + +0
    [2 ** -149, 2 ** -149],
    [-(2 ** -149), -(2 ** -149)],
    [10, 1],
    [-10, -1],
    [infinity, 1],
    [-infinity, -1],
    [nan, nan],
  ],
  sigmoid: [
    [0, 0.5],
    [-0, 0.5],
    [infinity, 1],
    [-infinity, 0],
    [-firstInfinite, 0],
    [89, 1],
    [nan, nan],
  ],
};

for (const name of ['exp', 'log', 'tanh', 'sigmoid'] as const) {
  t.test(`${name} of zeros, infinities, NaN and where it runs out`, (t) => {
    for (const { build, results } of valuesOf(
      name,
      special[name].map(([x]) => x),
    )) {
      for (const [i, [x, expected]] of special[name].entries()) {
        t.ok(Object.is(results[i], expected), `${build}: ${name}(${x}) = ${expected}, got ${results[i]}`);
      }
    }
    t.end();
  });
}

t.test('the largest finite exp is finite, and log knows subnormals to the last', (t) => {
  for (const { build, results } of valuesOf('exp', [below(firstInfinite), firstInfinite])) {
    t.ok(results[0] < infinity && results[1] === infinity, `${build}: ${results}`);
  }
  const subnormals = [2 ** -149, 3 * 2 ** -149, 2 ** -140, 2 ** -127, below(2 ** -126)];
  for (const { build, results } of valuesOf('log', subnormals)) {
    const errors = subnormals.map((x, i) => errorInUlps(results[i], Math.log(x)));
    t.ok(Math.max(...errors) <= bounds.log, `${build}: ${errors}`);
  }
  t.end();
});

t.test('tanh(−x) = −tanh(x) to the bit, for all but 0', (t) => {
  const half = 32_768;
  for (let i = 0; i < half; i++) words[i] = 1 + i * 65_521;
  for (let i = 0; i < half; i++) words[half + i] = words[i] | 0x80000000;
  run(kernels, 'tanh', 64, 64 + 4 * chunk, chunk);
  let different = 0;
  for (let i = 0; i < half; i++) {
    if (!Object.is(outputs[i], -outputs[half + i])) different++;
  }
  t.equal(different, 0);
  t.end();
});
