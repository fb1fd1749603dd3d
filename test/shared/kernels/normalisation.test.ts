/** Batch normalisation: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { at } from '../../../shared/kernels/twin/memory.ts';
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

const shapes = fc.record({
  rows: fc.integer({ min: 0, max: 13 }),
  panels: fc.integer({ min: 1, max: 7 }),
  gap,
});
const count = fc.oneof(fc.integer({ min: 1, max: 70_000 }), fc.constant(2 ** 24 + 1));

const matrix = (area: Area, shape: MatrixShape): number => area.takeMatrix(shape);
const vector = (area: Area, { panels }: MatrixShape): number => area.take(16 * panels);

t.test('moments: every build gives the twin’s bits and verdict', (t) => {
  const verdicts = holdEqual(t, builds, shapes, (shape, area) => {
    const x = matrix(area, shape);
    const mean = vector(area, shape);
    const m2 = vector(area, shape);
    const stride = strideOf(shape);
    return (kernels) => kernels.moments(x, stride, shape.rows, shape.panels, mean, m2);
  });
  t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
  t.end();
});

t.test('inverseDeviation: every build gives the twin’s bits, also for an ε that is no binary32', (t) => {
  const epsilon = fc.constantFrom(1e-5, 1e-6, 0, 1e-45, 3.3);
  holdEqual(t, builds, fc.record({ shape: shapes, count, epsilon }), ({ shape, count, epsilon }, area) => {
    const m2 = vector(area, shape);
    const out = vector(area, shape);
    return (kernels) => kernels.inverseDeviation(m2, count, epsilon, shape.panels, out);
  });
  t.end();
});

t.test('normalise: every build gives the twin’s bits, beside the input or over it', (t) => {
  holdEqual(t, builds, fc.record({ shape: shapes, over: fc.boolean() }), ({ shape, over }, area) => {
    const x = matrix(area, shape);
    const y = over ? x : matrix(area, shape);
    const [mean, inverse, scale, shift] = [0, 1, 2, 3].map(() => vector(area, shape));
    const stride = strideOf(shape);
    const { panels } = shape;
    return (kernels) => kernels.normalise(x, y, stride, shape.rows, panels, mean, inverse, scale, shift);
  });
  t.end();
});

t.test('normaliseSums: every build gives the twin’s bits and verdict', (t) => {
  const verdicts = holdEqual(t, builds, shapes, (shape, area) => {
    const x = matrix(area, shape);
    const dy = matrix(area, shape);
    const [mean, inverse, sumDy, sumDyXhat] = [0, 1, 2, 3].map(() => vector(area, shape));
    const stride = strideOf(shape);
    const { panels } = shape;
    return (kernels) =>
      kernels.normaliseSums(x, dy, stride, shape.rows, panels, mean, inverse, sumDy, sumDyXhat);
  });
  t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
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
    const { panels } = shape;
    return (kernels) =>
      kernels.normaliseBackward(
        x,
        dy,
        dx,
        stride,
        rows,
        panels,
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

t.test(
  'one value that is not finite is noticed in any row and column, the largest finite ones are not',
  (t) => {
    const [rows, panels, stride] = [5, 3, 64 * 7];
    const [x, dy, mean, m2, inverse, sums] = [64, 2048, 8192, 8448, 8704, 8960];
    const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number;
    for (const { name, instantiate } of builds) {
      const memory = newMemory(1);
      const floats = new Float32Array(memory.buffer);
      const kernels = instantiate(memory);
      const counts = { found: 0, missed: 0, invented: 0 };
      const judge = (verdict: number, isBad: boolean): void => {
        if (verdict === (isBad ? 1 : 0)) counts.found++;
        else counts[isBad ? 'missed' : 'invented']++;
      };
      const moments = () => kernels.moments(x, stride, rows, panels, mean, m2);
      const sumsOf = () =>
        kernels.normaliseSums(x, dy, stride, rows, panels, mean, inverse, sums, sums + 256);
      // All other values are 0 around a mean of 0, so that only the bad one shows.
      for (let column = 0; column < 16 * panels; column++) {
        const row = column % rows;
        const place = at(0, stride, row, column);
        for (const [i, bad] of [nan, infinity, minusInfinity].entries()) {
          floats.fill(0);
          floats.fill(1, inverse / 4, inverse / 4 + 48);
          judge(moments(), false);
          judge(sumsOf(), false);
          // In gaps and rows that were not asked for anything may stand.
          for (const matrix of [x, dy]) floats[(matrix + at(0, stride, rows + (i % 2), column)) / 4] = bad;
          judge(moments(), false);
          judge(sumsOf(), false);
          floats[(x + place) / 4] = bad;
          judge(moments(), true);
          floats.fill(0, mean / 4, mean / 4 + 48);
          judge(sumsOf(), true); // 0 · x̂
          floats[(x + place) / 4] = 0;
          floats[(dy + place) / 4] = bad;
          judge(sumsOf(), true);
          // Half of the largest square, and twice.
          floats[(dy + place) / 4] = 0;
          floats[(x + place) / 4] = 2 ** 63.75;
          judge(moments(), false);
          floats[(x + place) / 4] = 2 ** 64.5;
          judge(moments(), true); // M2 alone
          floats.fill(0, mean / 4, mean / 4 + 48);
          floats[(dy + place) / 4] = 2 ** 64;
          judge(sumsOf(), true); // Σdy · x̂ alone
          floats.fill(3e38, (dy + at(0, stride, 0, column)) / 4, (dy + at(0, stride, 0, column)) / 4 + 1);
          floats[(dy + at(0, stride, 1, column)) / 4] = 3e38;
          floats[(x + place) / 4] = 0;
          judge(sumsOf(), true); // Σdy alone
        }
      }
      t.same([counts.missed, counts.invented], [0, 0], `${name}: ${counts.found} verdicts`);
    }
    t.end();
  },
);

t.test('a group of one sample has M2 0 and is normalised to the shift', (t) => {
  const m2Place = 128;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    // x at 64; the rest of the panel is 0.
    floats.set([7.1, -3e8, 1e-40, 0, -0, 0.1, 2 ** 24 + 2, -1], 16);
    floats.fill(0.75, 64, 80); // scale at 256
    floats.fill(-1.25, 80, 96); // shift at 320
    t.equal(kernels.moments(64, 64, 1, 1, 384, m2Place), 0);
    kernels.inverseDeviation(m2Place, 1, 1e-5, 1, 448);
    kernels.normalise(64, 192, 64, 1, 1, 384, 448, 256, 320);
    t.same([...floats.slice(m2Place / 4, m2Place / 4 + 16)], Array(16).fill(0), `${name}: M2`);
    t.same([...floats.slice(48, 64)], Array(16).fill(-1.25), `${name}: the shift`);
  }
  t.end();
});
