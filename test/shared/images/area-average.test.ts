/** Resampling by areas. */
import t from 'tap';
import { resample } from '../../../shared/images/area-average.ts';
import { drawn } from '../../helpers/drawing.ts';
import { randomWords } from '../../helpers/values.ts';

const random = randomWords(20261123);
const noise = drawn(13, 7, () => random() & 255);
const whole = { x: 0, y: 0, width: 13, height: 7 };

t.test('the same size gives the same image', (t) => {
  t.strictSame(resample(noise, whole, 13, 7), noise.values);
  t.strictSame(
    resample(noise, { x: 2, y: 3, width: 1, height: 1 }, 1, 1),
    Float32Array.of(noise.values[3 * 13 + 2]),
  );
  t.end();
});

t.test('every pixel is the average of its area, and so is all of it', (t) => {
  const bars = drawn(4, 2, (x) => [0, 100, 200, 40][x]);
  t.strictSame([...resample(bars, { x: 0, y: 0, width: 4, height: 2 }, 2, 1)], [50, 120]);
  // The first new pixel covers one and a third of the old ones.
  const [first] = resample(bars, { x: 0, y: 0, width: 4, height: 2 }, 3, 2);
  t.ok(Math.abs(first - (0 + 100 / 3) / (4 / 3)) < 1e-4, `${first}`);
  const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length;
  for (const [width, height] of [
    [1, 1],
    [2, 3],
    [12, 6],
    [20, 20],
    [31, 9],
  ]) {
    const small = resample(noise, whole, width, height);
    t.ok(Math.abs(mean(small) - mean(noise.values)) < 1e-3, `${width}×${height}`);
  }
  t.end();
});

t.test('a box is looked at alone', (t) => {
  const image = drawn(10, 10, (x, y) => (x >= 4 && x < 8 && y >= 2 && y < 4 ? 7 : 255));
  const inside = resample(image, { x: 4, y: 2, width: 4, height: 2 }, 3, 5);
  t.ok(inside.every((value) => Math.abs(value - 7) < 1e-5));
  t.end();
});
