/** Softmax, cross-entropy and what is predicted: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { panelCount } from '../../../shared/kernels/kernels.ts';
import { type Area, gap, holdEqual, kernelBuilds, newMemory, seed, strideOf } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const shapes = fc.record({
  rows: fc.integer({ min: 0, max: 13 }),
  classes: fc.integer({ min: 1, max: 50 }),
  gap,
});

interface Logits {
  readonly rows: number;
  readonly classes: number;
  readonly gap: number;
}

const takeLogits = (area: Area, { rows, classes, gap }: Logits): number =>
  area.takeMatrix({ rows, panels: panelCount(classes), gap });

/** Labels below `classes`; the list begins at an odd address. */
function putLabels(area: Area, count: number, classes: number): number {
  const labels = area.take(Math.ceil(count / 4) + 1) + 1;
  for (let i = 0; i < count; i++) area.bytes[labels + i] = area.random() % classes;
  return labels;
}

t.test(
  'softmaxCrossEntropy: every build gives the twin’s loss, gradient and count, in any order of samples',
  (t) => {
    const cases = fc.record({
      shape: shapes,
      first: fc.nat(7),
      hasOrder: fc.boolean(),
      divisor: fc.integer({ min: 1, max: 65_536 }),
    });
    holdEqual(t, builds, cases, ({ shape, first, hasOrder, divisor }, area) => {
      const { rows, classes } = shape;
      const stride = strideOf(shape);
      const samples = first + rows + 3;
      const labels = putLabels(area, samples, classes);
      const order = hasOrder ? area.putOrder(first + rows, samples) : 0;
      const logits = takeLogits(area, shape);
      const gradient = takeLogits(area, shape);
      const right = area.take(1);
      return (kernels) =>
        kernels.softmaxCrossEntropy(
          logits,
          stride,
          classes,
          rows,
          labels,
          order,
          first,
          divisor,
          gradient,
          right,
        );
    });
    t.end();
  },
);

t.test('softmax: every build gives the twin’s bits', (t) => {
  holdEqual(t, builds, shapes, (shape, area) => {
    const { rows, classes } = shape;
    const stride = strideOf(shape);
    const logits = takeLogits(area, shape);
    const out = takeLogits(area, shape);
    return (kernels) => kernels.softmax(logits, stride, classes, rows, out);
  });
  t.end();
});

t.test('argmax: every build gives the twin’s bytes, at any address', (t) => {
  holdEqual(t, builds, fc.record({ shape: shapes, shift: fc.nat(3) }), ({ shape, shift }, area) => {
    const { rows, classes } = shape;
    const stride = strideOf(shape);
    const logits = takeLogits(area, shape);
    const out = area.take(rows + 1) + shift;
    area.bytes.fill(0x55, out, out + rows); // no part of a NaN, whose bits are not compared
    return (kernels) => kernels.argmax(logits, stride, classes, rows, out);
  });
  t.end();
});

t.test('argmax takes the first of several largest, and counts −0 and 0 as equal', (t) => {
  const rows = [
    [1, 3, 3, 2],
    [-0, 0, -1, -1],
    [0, -0, -1, -1],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, -3e38, -3e38],
    [5, 5, 5, 5],
  ];
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    for (const [r, row] of rows.entries()) floats.set(row, 16 + 16 * r);
    instantiate(memory).argmax(64, 320, 4, rows.length, 1024);
    t.same([...new Uint8Array(memory.buffer).slice(1024, 1024 + rows.length)], [1, 0, 0, 2, 0], name);
    floats.fill(0, 16, 16 + 160);
    floats.set([2, 5], 16 + 80 + 16); // columns 16 and 17 of row 1
    floats[16 + 80 + 32 + 2] = 9; // column 18, which is not a class
    instantiate(memory).argmax(64, 320, 18, 3, 1024);
    t.same([...new Uint8Array(memory.buffer).slice(1024, 1027)], [0, 17, 0], `${name}: over two panels`);
  }
  t.end();
});

t.test(
  'softmaxCrossEntropy counts the rows whose label is predicted as argmax does, and none with NaN',
  (t) => {
    const rows = [
      { logits: [1, 3, 2], label: 1, isRight: true },
      { logits: [1, 3, 2], label: 2, isRight: false },
      { logits: [3, 3, 2], label: 0, isRight: true },
      { logits: [3, 3, 2], label: 1, isRight: false },
      { logits: [-0, 0, -1], label: 0, isRight: true },
      { logits: [Number.NaN, 0, 1], label: 0, isRight: false },
      { logits: [0, 2, Number.NaN], label: 1, isRight: false },
      { logits: [0, Number.POSITIVE_INFINITY, 1], label: 1, isRight: false },
      { logits: [-3e38, 3e38, 0], label: 1, isRight: true },
    ];
    const [classes, stride, at] = [3, 64 * rows.length, { labels: 1024, out: 2048, count: 4096 }];
    for (const { name, instantiate } of builds) {
      const memory = newMemory(1);
      const floats = new Float32Array(memory.buffer);
      floats.fill(-7, at.count / 4 - 1, at.count / 4 + 2);
      for (const [r, { logits, label }] of rows.entries()) {
        floats.set(logits, 16 + 16 * r);
        new Uint8Array(memory.buffer)[at.labels + r] = label;
      }
      const kernels = instantiate(memory);
      const count = (first: number, end: number): number => {
        const from = 64 + 64 * first;
        kernels.softmaxCrossEntropy(
          from,
          stride,
          classes,
          end - first,
          at.labels,
          0,
          first,
          1,
          at.out,
          at.count,
        );
        return floats[at.count / 4];
      };
      const counts = rows.map((_, r) => count(r, r + 1));
      t.same(
        counts,
        rows.map(({ isRight }) => (isRight ? 1 : 0)),
        `${name}: row by row`,
      );
      t.equal(count(0, rows.length), 4, `${name}: all`);
      t.equal(count(2, 2), 0, `${name}: no row`);
      t.same([floats[at.count / 4 - 1], floats[at.count / 4 + 1]], [-7, -7], `${name}: nothing beside it`);
    }
    t.end();
  },
);

t.test(
  'the gradient is (P − Y) ÷ divisor with a padding of +0, and logits too far apart stay finite',
  (t) => {
    const [classes, stride, divisor] = [3, 192, 4];
    for (const { name, instantiate } of builds) {
      const memory = newMemory(1);
      const floats = new Float32Array(memory.buffer).fill(-7);
      const bytes = new Uint8Array(memory.buffer);
      floats.set([3e38, -3e38, 0], 16);
      floats.set([2, 2, 2], 32);
      bytes.set([0, 2], 1024);
      const { softmaxCrossEntropy, softmax } = instantiate(memory);
      const total = softmaxCrossEntropy(64, stride, classes, 2, 1024, 0, 0, divisor, 2048, 4096);
      // Exactly 1, 0, 0 minus 1, 0, 0; then a third each. A third is one rounding of 1 ÷ 3.
      const third = Math.fround(1 / 3);
      const rows = [
        [0, 0, 0],
        [third / 4, third / 4, Math.fround(third - 1) / 4],
      ].flatMap((row) => [...row, ...Array(13).fill(0)]);
      const isPadded = (first: number) =>
        [...floats.slice(first + 3, first + 16), ...floats.slice(first + 19, first + 32)].every((x) =>
          Object.is(x, 0),
        );
      t.same([...floats.slice(512, 560)], [...rows, ...Array(16).fill(-7)], name);
      t.ok(isPadded(512), `${name}: +0`);
      softmax(64, stride, classes, 2, 3072);
      t.same([...floats.slice(768, 771), ...floats.slice(784, 787)], [1, 0, 0, third, third, third], name);
      t.ok(isPadded(768) && floats[800] === -7, `${name}: +0 beside probabilities`);
      // log(1) + log(3), the error of log bounded in mathematics.test.ts (2 units in the last place).
      t.ok(Math.abs(total - Math.log(3)) <= 2 * 2 ** -23, `${name}: ${total}`);
    }
    t.end();
  },
);
