/** What a damaged or hostile safetensors file is refused with. */
import t from 'tap';
import { decodeSafetensors } from '../../../shared/model/safetensors.ts';
import { refusal } from '../../helpers/refusal.ts';
import { fileWith } from '../../helpers/safetensors-file.ts';

const path = 'model.safetensors';
const refused = (bytes: Uint8Array): string => refusal(() => decodeSafetensors(bytes, path), 'DATA');

const f32 = (shape: number[], from: number, to: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [from, to],
});

/** Header, bytes of data, message. */
const damages: readonly (readonly [string, unknown, number, string])[] = [
  [
    'overlap',
    { a: f32([2], 0, 8), b: f32([2], 4, 12) },
    12,
    'the tensors leave out or share bytes from 4 on',
  ],
  [
    'the same bytes',
    { a: f32([2], 0, 8), b: f32([2], 0, 8) },
    8,
    'the tensors leave out or share bytes from 0 on',
  ],
  ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, 'the tensors leave out or share bytes from 4 on'],
  ['a hole at the beginning', { a: f32([1], 4, 8) }, 8, 'the tensors leave out or share bytes from 0 on'],
  ['bytes of nobody', { a: f32([1], 0, 4) }, 8, 'the tensors have 4 bytes, the file has 8 after its header'],
  ['past the end', { a: f32([3], 0, 12) }, 8, 'tensor "a" of shape (3) needs 12 bytes, got 0 to 12 of 8'],
  ['too short', { a: f32([3], 0, 8) }, 8, 'tensor "a" of shape (3) needs 12 bytes, got 0 to 8 of 8'],
  [
    'a shape whose product is no longer exact',
    { a: f32([2 ** 52, 2 ** 52], 0, 8) },
    8,
    `tensor "a" of shape (4503599627370496, 4503599627370496) needs ${2 ** 106} bytes, got 0 to 8 of 8`,
  ],
  ...[
    { dtype: 'F4', shape: [16], data_offsets: [0, 8] },
    { dtype: 'F32', shape: [-2], data_offsets: [0, 8] },
    { dtype: 'F32', shape: [2], data_offsets: [8, 0] },
    { dtype: 'F32', shape: [2], data_offsets: [0, 8, 8] },
    { dtype: 'F32', shape: [1, 1, 1, 1, 1, 1, 1, 1, 2], data_offsets: [0, 8] },
    { dtype: 'F32', shape: [0.5], data_offsets: [0, 2] },
    { dtype: 'F32', data_offsets: [0, 8] },
    null,
    7,
  ].map((entry): [string, unknown, number, string] => [
    JSON.stringify(entry),
    { a: entry },
    8,
    'tensor "a" is not described by a known dtype, shape and data_offsets',
  ]),
  ['no object', [], 0, 'the header is no object'],
  ['null', null, 0, 'the header is no object'],
  ['metadata that are no texts', { __metadata__: { a: 1 } }, 0, '__metadata__ is not a table of texts'],
  ['metadata that are no table', { __metadata__: null }, 0, '__metadata__ is not a table of texts'],
];

for (const [name, header, size, message] of damages) {
  t.test(`refused: ${name}`, (t) => {
    t.equal(refused(fileWith(header, size)), `${path}: ${message}; is this a whole safetensors file?`);
    t.end();
  });
}

t.test('a huge or impossible length of the header is refused before anything is read', (t) => {
  const limits = '; is this a whole safetensors file?';
  t.equal(refused(new Uint8Array(7)), `${path}: got 7 bytes, expected at least 8${limits}`);
  for (const length of [
    101n,
    2n ** 20n + 1n,
    100_000_000n,
    100_000_001n,
    2n ** 32n,
    2n ** 63n,
    2n ** 64n - 1n,
  ]) {
    const bytes = new Uint8Array(108);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    const says =
      length > 100_000_000n
        ? /: is no safetensors file; expected one/
        : /the header is said to have \d+ bytes, expected at most 100;/;
    t.match(refused(bytes), says);
  }
  const large = new Uint8Array(2 ** 20 + 100);
  new DataView(large.buffer).setBigUint64(0, 2n ** 20n + 1n, true);
  t.match(refused(large), /said to have 1048577 bytes, expected at most 1048576;/);
  t.match(refused(fileWith('{', 0)), /the header is not JSON \(/);
  t.end();
});

t.test('no control character of a damaged header reaches the message', (t) => {
  for (const header of ['\u001b[2J{}', '{"a":\u001b[2J}', '{"a\u0000":"\u001b[2J', '{}\r\nall is well']) {
    t.match(refused(fileWith(header, 0)), /the header is not JSON/, JSON.stringify(header));
  }
  t.end();
});
