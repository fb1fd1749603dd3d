/** Elementwise functions: the fast builds against the slow twin. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import {
  type Area,
  gap,
  holdEqual,
  kernelBuilds,
  type MatrixShape,
  newMemory,
  seed,
  strideOf,
} from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const shapes = fc.record({ rows: fc.nat(13), panels: fc.integer({ min: 1, max: 4 }), gap });
const cases = fc.record({ shape: shapes, over: fc.boolean() });

/** Arguments and results at which something special happens. */
const edges = [
  ...[0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45, -1e-45, 2 ** -126],
  ...[89, 88.72284, -104, -103.97208, -87.33655, 0.625, -0.625, 0.62499994, 17.328679, 1, 0.5, -1],
];

/** Puts them into the first rows of a matrix, where it has as many. */
function putEdges(area: Area, x: number, shape: MatrixShape): void {
  const floats = area.floats.subarray(x / 4, x / 4 + 16 * shape.rows);
  floats.set(edges.slice(0, floats.length));
}

for (const name of ['exp', 'log'] as const) {
  t.test(`${name}: every build gives the twin’s bits, beside the input or over it`, (t) => {
    const counts = fc.nat(60).map((quarters) => 4 * quarters);
    holdEqual(t, builds, fc.record({ count: counts, over: fc.boolean() }), ({ count, over }, area) => {
      const x = area.put(edges);
      area.take(Math.max(count - edges.length, 0));
      const y = over ? x : area.take(count);
      return (kernels) => kernels[name](x, y, count);
    });
    t.end();
  });
}

for (const name of ['relu', 'sigmoid', 'tanh'] as const) {
  t.test(`${name}: every build gives the twin’s bits, beside the input or over it`, (t) => {
    holdEqual(t, builds, cases, ({ shape, over }, area) => {
      const x = area.takeMatrix(shape);
      putEdges(area, x, shape);
      const y = over ? x : area.takeMatrix(shape);
      return (kernels) => kernels[name](x, y, strideOf(shape), shape.rows, shape.panels);
    });
    t.end();
  });
}

for (const name of ['reluBackward', 'sigmoidBackward', 'tanhBackward'] as const) {
  t.test(`${name}: every build gives the twin’s bits, beside dy or over it`, (t) => {
    holdEqual(t, builds, cases, ({ shape, over }, area) => {
      const y = area.takeMatrix(shape);
      putEdges(area, y, shape);
      const dy = area.takeMatrix(shape);
      const dx = over ? dy : area.takeMatrix(shape);
      return (kernels) => kernels[name](y, dy, dx, strideOf(shape), shape.rows, shape.panels);
    });
    t.end();
  });
}

/** Options of a recipe are binary64 and become binary32 by one rounding, the same way everywhere. */
const option = fc.oneof(fc.constantFrom(0, -0, 1, 0.1, -1.7, 1 / 3, 1e-46, 2e38), fc.double({ noNaN: true }));

t.test(
  'affine and affineBackward: every build gives the twin’s bits for options that are no binary32',
  (t) => {
    const affine = fc.record({ shape: shapes, over: fc.boolean(), slope: option, intercept: option });
    holdEqual(t, builds, affine, ({ shape, over, slope, intercept }, area) => {
      const x = area.takeMatrix(shape);
      const y = over ? x : area.takeMatrix(shape);
      const { rows, panels } = shape;
      return (kernels) => kernels.affine(x, y, strideOf(shape), rows, panels, slope, intercept);
    });
    holdEqual(t, builds, affine, ({ shape, over, slope }, area) => {
      const dy = area.takeMatrix(shape);
      const dx = over ? dy : area.takeMatrix(shape);
      const { rows, panels } = shape;
      return (kernels) => kernels.affineBackward(dy, dx, strideOf(shape), rows, panels, slope);
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
    floats.fill(-2, 64, 80);
    kernels.relu(64, 512, 64, 1, 1);
    kernels.reluBackward(64, 256, 768, 64, 1, 1);
    same(t, floats.slice(128, 144), [0, 0, 0, 0, 0, 1e-45, 3, infinity], name);
    same(t, floats.slice(192, 208), [0, 0, 0, 0, 0, -2, -2, -2], name);
  }
  t.end();
});
