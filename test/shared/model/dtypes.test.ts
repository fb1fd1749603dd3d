/** Floats of other widths as binary32. */
import t from 'tap';
import { dtypes, isDtype, toFloats } from '../../../shared/model/dtypes.ts';

t.test('every one of the 65,536 binary16 becomes the number that it is', (t) => {
  const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const floats = toFloats('F16', halves);
  let wrong = 0;
  for (const bits of halves) {
    // Digit by digit: sign, exponent, fraction with its hidden one.
    const text = bits.toString(2).padStart(16, '0');
    const exponent = Number.parseInt(text.slice(1, 6), 2);
    const fraction = Number.parseInt(text.slice(6), 2) / 1024;
    const size =
      exponent === 31
        ? fraction === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : exponent === 0
          ? fraction * 2 ** -14
          : (1 + fraction) * 2 ** (exponent - 15);
    if (!Object.is(floats?.[bits], text[0] === '1' ? -size : size)) wrong++;
  }
  t.equal(wrong, 0);
  t.end();
});

t.test('a BF16 is the upper half of a binary32, a binary64 is rounded to the nearest', (t) => {
  const floats = Float32Array.of(1, -0, 3.140625, 2 ** -133, Number.POSITIVE_INFINITY, -65_280);
  const halves = Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  t.strictSame(toFloats('BF16', halves), floats);
  const doubles = Float64Array.of(0.1, -1 / 3, 1e-50, 1e300);
  t.strictSame(
    toFloats('F64', doubles),
    Float32Array.of(Math.fround(0.1), Math.fround(-1 / 3), 0, Number.POSITIVE_INFINITY),
  );
  t.end();
});

t.test('binary32 is taken as it is, and what is no float is not', (t) => {
  const floats = Float32Array.of(1, 2);
  t.equal(toFloats('F32', floats), floats);
  t.equal(toFloats('U16', Uint16Array.of(1)), null);
  t.equal(toFloats('I64', BigInt64Array.of(1n)), null);
  t.equal(toFloats('F8_E4M3', Uint8Array.of(1)), null);
  t.end();
});

t.test('only the names of the format are names', (t) => {
  t.ok(Object.keys(dtypes).every(isDtype));
  for (const name of ['f32', 'F4', '', 'constructor', '__proto__', 7, null])
    t.notOk(isDtype(name), String(name));
  t.end();
});
