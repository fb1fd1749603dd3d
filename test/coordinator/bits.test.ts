/** What counts as the same bits, and as finite. */
import t from 'tap';
import { areFinite, firstDifference } from '../../coordinator/bits.ts';
import { floatOf } from '../helpers/values.ts';

const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number;

t.test('values are the same bit for bit: zeros of both signs and the smallest steps differ', (t) => {
  const floats = (...values: number[]) => Float32Array.from(values);
  t.equal(firstDifference(floats(), floats()), null);
  t.equal(firstDifference(floats(1, -2, infinity), floats(1, -2, infinity)), null);
  t.equal(firstDifference(floats(1, 0, 0), floats(1, 0, -0)), 2);
  t.equal(firstDifference(floats(1, 2), floats(floatOf(0x3f800001), 3)), 0);
  t.equal(firstDifference(floats(1, 2), floats(1)), 1, 'shorter');
  t.equal(firstDifference(floats(1), floats(1, nan)), 1, 'longer');
  t.end();
});

t.test('any NaN is the same as any other, and as nothing else', (t) => {
  const words = Uint32Array.of(0x7fc00000, 0xffc00000, 0x7f800001, 0x3f800000);
  const nans = new Float32Array(words.buffer);
  t.equal(firstDifference(nans, Float32Array.of(nan, nan, nan, 1)), null);
  t.equal(firstDifference(nans, Float32Array.of(nan, nan, infinity, 1)), 2);
  t.end();
});

t.test('views at odd places of a larger buffer are compared alone', (t) => {
  const buffer = new ArrayBuffer(64);
  const view = new Float32Array(buffer, 20, 3);
  view.set([1, 2, 3]);
  new Float32Array(buffer)[8] = 7;
  t.equal(firstDifference(view, Float32Array.of(1, 2, 3)), null);
  t.end();
});

t.test('one value that is not finite among many is seen', (t) => {
  const values = new Float32Array(1000).fill(-3e38);
  values[1] = -0;
  t.ok(areFinite(values));
  t.ok(areFinite(new Float32Array(0)));
  for (const bad of [nan, infinity, minusInfinity]) {
    for (const i of [0, 500, 999]) {
      t.notOk(areFinite(values.with(i, bad)), `${bad} at ${i}`);
    }
  }
  t.end();
});
