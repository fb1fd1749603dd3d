/** Batch normalisation: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { type Area, holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const shapes = fc.record({
  rows: fc.integer({ min: 0, max: 13 }),
  panels: fc.integer({ min: 1, max: 5 }),
  gap: fc.nat(2),
});
const count = fc.oneof(fc.integer({ min: 1, max: 70_000 }), fc.constant(2 ** 24 + 1));

interface Shape {
  readonly rows: number;
  readonly panels: number;
  readonly gap: number;
}

const matrix = (area: Area, { rows, panels, gap }: Shape): number => area.take(rows * 8 * (panels + gap));
const vector = (area: Area, { panels }: Shape): number => area.take(8 * panels);
const strideOf = ({ panels, gap }: Shape): number => 32 * (panels + gap);

t.test('moments: every build gives the twin’s bits', (t) => {
  holdEqual(t, builds, shapes, (shape, area) => {
    const x = matrix(area, shape);
    const mean = vector(area, shape);
    const m2 = vector(area, shape);
    const stride = strideOf(shape);
    return (kernels) => kernels.moments(x, stride, shape.rows, 8 * shape.panels, mean, m2);
  });
  t.end();
});

t.test('inverseDeviation: every build gives the twin’s bits, also for an ε that is no binary32', (t) => {
  const epsilon = fc.constantFrom(1e-5, 1e-6, 0, 1e-45, 3.3);
  holdEqual(t, builds, fc.record({ shape: shapes, count, epsilon }), ({ shape, count, epsilon }, area) => {
    const m2 = vector(area, shape);
    const out = vector(area, shape);
    return (kernels) => kernels.inverseDeviation(m2, count, epsilon, 8 * shape.panels, out);
  });
  t.end();
});

t.test('normalise: every build gives the twin’s bits, beside the input or over it', (t) => {
  holdEqual(t, builds, fc.record({ shape: shapes, over: fc.boolean() }), ({ shape, over }, area) => {
    const x = matrix(area, shape);
    const y = over ? x : matrix(area, shape);
    const [mean, inverse, scale, shift] = [0, 1, 2, 3].map(() => vector(area, shape));
    const stride = strideOf(shape);
    const width = 8 * shape.panels;
    return (kernels) => kernels.normalise(x, y, stride, shape.rows, width, mean, inverse, scale, shift);
  });
  t.end();
});

t.test('normaliseSums: every build gives the twin’s bits', (t) => {
  holdEqual(t, builds, shapes, (shape, area) => {
    const x = matrix(area, shape);
    const dy = matrix(area, shape);
    const [mean, inverse, sumDy, sumDyXhat] = [0, 1, 2, 3].map(() => vector(area, shape));
    const stride = strideOf(shape);
    const width = 8 * shape.panels;
    return (kernels) =>
      kernels.normaliseSums(x, dy, stride, shape.rows, width, mean, inverse, sumDy, sumDyXhat);
  });
  t.end();
});

t.test('normaliseBackward: every build gives the twin’s bits, beside dy or over it', (t) => {
  const cases = fc.record({ shape: shapes, over: fc.boolean(), count });
  holdEqual(t, builds, cases, ({ shape, over, count }, area) => {
    const x = matrix(area, shape);
    const dy = matrix(area, shape);
    const dx = over ? dy : matrix(area, shape);
    const [mean, inverse, scale, sumDy, sumDyXhat] = [0, 1, 2, 3, 4].map(() => vector(area, shape));
    const stride = strideOf(shape);
    const { rows } = shape;
    const width = 8 * shape.panels;
    return (kernels) =>
      kernels.normaliseBackward(
        x,
        dy,
        dx,
        stride,
        rows,
        width,
        mean,
        inverse,
        scale,
        sumDy,
        sumDyXhat,
        count,
      );
  });
  t.end();
});

t.test('a group of one sample has M2 0 and is normalised to the shift', (t) => {
  const m2Place = 128;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    floats.set([7.1, -3e8, 1e-40, 0, -0, 0.1, 2 ** 24 + 2, -1], 16); // x at 64
    floats.fill(0.75, 64, 72); // scale at 256
    floats.fill(-1.25, 80, 88); // shift at 320
    kernels.moments(64, 32, 1, 8, 96, m2Place);
    kernels.inverseDeviation(m2Place, 1, 1e-5, 8, 160);
    kernels.normalise(64, 192, 32, 1, 8, 96, 160, 256, 320);
    t.same([...floats.slice(m2Place / 4, m2Place / 4 + 8)], Array(8).fill(0), `${name}: M2`);
    t.same([...floats.slice(48, 56)], Array(8).fill(-1.25), `${name}: the shift`);
  }
  t.end();
});
