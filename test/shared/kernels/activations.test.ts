/** Elementwise functions: the fast builds against the slow twin. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const counts = fc.nat(60).map((quarters) => 4 * quarters);
const cases = fc.record({ count: counts, over: fc.boolean() });

/** Arguments and results at which something special happens. */
const edges = [
  ...[0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45, -1e-45, 2 ** -126],
  ...[89, 88.72284, -104, -103.97208, -87.33655, 0.625, -0.625, 0.62499994, 17.328679, 1, 0.5, -1],
];

for (const name of ['relu', 'sigmoid', 'tanh', 'exp', 'log'] as const) {
  t.test(`${name}: every build gives the twin’s bits, beside the input or over it`, (t) => {
    holdEqual(t, builds, cases, ({ count, over }, area) => {
      const x = area.put(edges);
      area.take(Math.max(count - edges.length, 0));
      const y = over ? x : area.take(count);
      return (kernels) => kernels[name](x, y, count);
    });
    t.end();
  });
}

for (const name of ['reluBackward', 'sigmoidBackward', 'tanhBackward'] as const) {
  t.test(`${name}: every build gives the twin’s bits, beside dy or over it`, (t) => {
    holdEqual(t, builds, cases, ({ count, over }, area) => {
      const y = area.put(edges);
      area.take(Math.max(count - edges.length, 0));
      const dy = area.take(count);
      const dx = over ? dy : area.take(count);
      return (kernels) => kernels[name](y, dy, dx, count);
    });
    t.end();
  });
}

/** Options of a recipe are binary64 and become binary32 by one rounding, the same way everywhere. */
const option = fc.oneof(fc.constantFrom(0, -0, 1, 0.1, -1.7, 1 / 3, 1e-46, 2e38), fc.double({ noNaN: true }));

t.test(
  'affine and affineBackward: every build gives the twin’s bits for options that are no binary32',
  (t) => {
    const affine = fc.record({ count: counts, over: fc.boolean(), slope: option, intercept: option });
    holdEqual(t, builds, affine, ({ count, over, slope, intercept }, area) => {
      const x = area.take(count);
      const y = over ? x : area.take(count);
      return (kernels) => kernels.affine(x, y, count, slope, intercept);
    });
    holdEqual(t, builds, affine, ({ count, over, slope }, area) => {
      const dy = area.take(count);
      const dx = over ? dy : area.take(count);
      return (kernels) => kernels.affineBackward(dy, dx, count, slope);
    });
    t.end();
  },
);

t.test('relu and its derivative give +0 for −0, NaN and everything that is not above 0', (t) => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const x = [0, -0, nan, -1, -infinity, 1e-45, 3, infinity];
  const same = (t: Test, results: Float32Array, expected: number[], name: string) =>
    t.ok(
      expected.every((value, i) => Object.is(results[i], Math.fround(value))),
      `${name}: ${results.join(' ')}`,
    );
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    const kernels: Kernels = instantiate(memory);
    floats.set(x, 16);
    floats.fill(-2, 32, 40);
    kernels.relu(64, 256, 8);
    kernels.reluBackward(64, 128, 320, 8);
    same(t, floats.slice(64, 72), [0, 0, 0, 0, 0, 1e-45, 3, infinity], name);
    same(t, floats.slice(80, 88), [0, 0, 0, 0, 0, -2, -2, -2], name);
  }
  t.end();
});
