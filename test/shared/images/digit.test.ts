/** From images of any size to MNIST's 28×28. */
import t from 'tap';
import { openDataset } from '../../../shared/data/dataset.ts';
import { toSample } from '../../../shared/images/digit.ts';
import { drawn, onPaper } from '../../helpers/drawing.ts';
import { randomWords } from '../../helpers/values.ts';

const seed = 20261123;
t.comment(`seed ${seed}`);

const dataset = openDataset('mnist');
const images = new Uint8Array(dataset.samples.test * 784);
const labels = new Uint8Array(dataset.samples.test);
t.before(() => dataset.load('test', images, labels));

const sampleAt = (index: number) => images.subarray(index * 784, (index + 1) * 784);
const asImage = (sample: Uint8Array) => drawn(28, 28, (x, y) => sample[y * 28 + x]);

t.test('28×28 and bright on dark stays as it is, to the byte', (t) => {
  for (let index = 0; index < 200; index++) {
    const sample = sampleAt(index);
    for (const fit of ['digit', 'whole'] as const) {
      if (!Buffer.from(toSample(asImage(sample), fit)).equals(sample)) t.fail(`sample ${index}, ${fit}`);
    }
  }
  t.pass('200 samples');
  t.end();
});

t.test('dark on light is turned round', (t) => {
  const sample = sampleAt(0);
  const negative = drawn(28, 28, (x, y) => 255 - sample[y * 28 + x]);
  t.strictSame(toSample(negative, 'digit'), new Uint8Array(sample));
  t.end();
});

/** Where the centre of mass is, and how long the longer side of what is drawn. */
function shapeOf(sample: Uint8Array): { x: number; y: number; side: number } {
  let [sum, x, y] = [0, 0, 0];
  const [columns, rows] = [new Set<number>(), new Set<number>()];
  for (const [i, value] of sample.entries()) {
    if (value === 0) continue;
    sum += value;
    x += value * (i % 28);
    y += value * Math.floor(i / 28);
    columns.add(i % 28);
    rows.add(Math.floor(i / 28));
  }
  const side = Math.max(...[columns, rows].map((all) => Math.max(...all) - Math.min(...all) + 1));
  return { x: x / sum, y: y / sum, side };
}

t.test('the samples of MNIST were made as it is done here', (t) => {
  const shapes = Array.from({ length: 1000 }, (_, index) => shapeOf(sampleAt(index)));
  t.ok(
    shapes.every(({ side }) => side <= 20 + 2),
    'fitted into 20×20, softened at the edge',
  );
  t.ok(shapes.filter(({ side }) => side === 20).length > 900);
  t.ok(
    shapes.every(({ x, y }) => Math.abs(x - 14) <= 0.75 && Math.abs(y - 14) <= 0.75),
    'their centre of mass on pixel 14',
  );
  t.end();
});

/** How far two samples are apart, on average of their pixels. */
function distance(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

t.test(
  'a digit anywhere, of any size, dark on light, becomes more like its own sample than like any other',
  (t) => {
    const random = randomWords(seed);
    let worst = 0;
    let found = 0;
    const count = 100;
    for (let index = 0; index < count; index++) {
      const scale = 1 + (random() % 8);
      const [width, height] = [28 * scale + (random() % 100), 28 * scale + (random() % 100)];
      const paper = onPaper(
        sampleAt(index),
        scale,
        width + 1,
        height + 1,
        random() % (width + 1 - 28 * scale),
        random() % 3,
      );
      const made = toSample(paper, 'digit');
      const { x, y, side } = shapeOf(made);
      worst = Math.max(worst, Math.abs(x - 14), Math.abs(y - 14));
      if (side > 20) t.fail(`sample ${index}: ${side} pixels long`);
      const distances = Array.from({ length: count }, (_, other) => distance(made, sampleAt(other)));
      if (distances.indexOf(Math.min(...distances)) === index) found++;
    }
    // The sum and the place in bytes and whole pixels.
    t.ok(worst <= 0.51, `centre of mass at most ${worst} away from the middle`);
    t.ok(found >= 98, `${found} of ${count} are nearest to the sample that they were`);
    t.end();
  },
);

t.test('aspect is kept, and what lies off its own centre stays on the image', (t) => {
  const bar = drawn(200, 100, (x, y) => (x >= 20 && x < 30 && y >= 10 && y < 90 ? 0 : 255));
  const sample = toSample(bar, 'digit');
  const columns = new Set([...sample.keys()].filter((i) => sample[i] > 0).map((i) => i % 28));
  t.equal(shapeOf(sample).side, 20);
  t.ok(columns.size >= 2 && columns.size <= 3, '10 of 80 are 2.5 of 20');
  // Nearly all of the mass is at one end.
  const comet = drawn(300, 40, (x, y) =>
    y >= 18 && y < 22 && x >= 10 && x < 290 ? (x < 20 ? 0 : 180) : 255,
  );
  const made = toSample(comet, 'digit');
  t.equal(shapeOf(made).side, 20);
  t.end();
});

t.test('thin lines become as bright as MNIST’s', (t) => {
  const circle = drawn(400, 400, (x, y) => (Math.abs(Math.hypot(x - 150, y - 210) - 100) < 1 ? 0 : 255));
  const sample = toSample(circle, 'digit');
  const filled = [...sample].filter((value) => value > 25);
  t.ok(filled.filter((value) => value > 200).length > 0.4 * filled.length);
  t.end();
});

t.test('paper that is not quite white, and uneven, is no part of the digit', (t) => {
  const random = randomWords(seed);
  const digit = (x: number, y: number) => x >= 60 && x < 80 && y >= 40 && y < 160;
  const photo = drawn(180, 200, (x, y) => (digit(x, y) ? 60 : 200 - x / 12) - (random() % 10));
  const { side, x } = shapeOf(toSample(photo, 'digit'));
  t.equal(side, 20);
  t.ok(Math.abs(x - 14) <= 0.6);
  t.end();
});

t.test('nothing drawn is nothing', (t) => {
  for (const grey of [0, 3, 127, 128, 255]) {
    const sample = toSample(
      drawn(50, 40, () => grey),
      'digit',
    );
    t.ok(
      sample.every((value) => value === 0),
      `all ${grey}`,
    );
  }
  t.end();
});

t.test('whole keeps the border and the brightness', (t) => {
  const image = drawn(56, 28, (x, y) => (x >= 20 && x < 24 && y >= 8 && y < 12 ? 0 : 255));
  const sample = toSample(image, 'whole');
  t.equal(
    sample.reduce((a, b) => a + b, 0),
    4 * 255,
    'a 4×4 dot became 2×2',
  );
  t.strictSame(
    [...sample.keys()].filter((i) => sample[i] > 0).map((i) => [i % 28, Math.floor(i / 28)]),
    [
      [10, 11],
      [11, 11],
      [10, 12],
      [11, 12],
    ],
    'in the middle of the height, 7 rows above and below are empty',
  );
  t.end();
});
