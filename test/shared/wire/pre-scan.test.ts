/** What the look through the bytes lets pass, and that msgpackr makes plain values of all of it. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import t from 'tap';
import { controlDepth, controlValues } from '../../../shared/wire/limits.ts';
import { preScan } from '../../../shared/wire/pre-scan.ts';
import { fuzzInputs, slowestMs } from '../../helpers/fuzz.ts';
import { goldenMessages } from '../../helpers/golden-messages.ts';
import { fromHex, toHex } from '../../helpers/hex.ts';
import { isPlain, readPlain } from '../../helpers/msgpack.ts';

const seed = 20261123;
t.comment(`seed ${seed}`);

/** As the codec decodes. */
const packr = new Packr({ useRecords: false, int64AsType: 'number' });

t.test('one plain value passes, in every format', (t) => {
  const formats = [
    ...['c0', 'c2', 'c3', '00', '7f', 'e0', 'ff', 'cc 80', 'cd 0100', 'ce 80000000', 'd0 80', 'd1 8000'],
    ...['d2 80000000', 'ca 7fc00000', 'cb 7ff0000000000000', 'a0', 'a1 61', 'd9 01 61', 'da 0001 61'],
    ...['db 00000001 61', '90', '91 c0', 'dc 0001 c0', 'dd 00000001 c0', '80', '81 a1 61 c0'],
    ...['de 0001 a1 61 c0', 'df 00000001 a1 61 c0', '82 a1 61 01 a1 41 02', '81 a0 c0'],
    ...['cf 001fffffffffffff', 'd3 001fffffffffffff', 'd3 ffe0000000000000'],
  ];
  for (const hex of formats) {
    const bytes = fromHex(hex);
    t.equal(preScan(bytes), null, hex);
    t.same(packr.unpack(Buffer.from(bytes)), readPlain(bytes), hex);
  }
  t.end();
});

const announced = (bytes: number) => `cut off: it needs more than its ${bytes} bytes`;
const tooDeep = 'more than 4 arrays and maps inside one another';
const tooMany = 'more than 256 values';

/** Bytes as an attacker sends them → the reason. */
const hostile: readonly (readonly [name: string, hex: string, reason: string])[] = [
  ['nothing', '', announced(0)],
  ['two values', '0102', '1 bytes behind its end'],
  ['a number cut off', 'cd 01', announced(2)],
  ['a string without its length', 'da 00', announced(2)],
  ['a string of 4 GiB', 'db ffffffff 61', announced(6)],
  ['an array of 2^32 values', 'dd ffffffff c0', announced(6)],
  ['an array of 65,535 values', 'dc ffff', announced(3)],
  ['an array without its length', 'dd 000000', announced(4)],
  ['a map without its length', 'de', announced(1)],
  ['an array of 2^32 values, some there', `dd ffffffff ${'c0'.repeat(300)}`, tooMany],
  ['a map of 2^32 entries, one there', 'df ffffffff a0c0', announced(7)],
  ['as many values as bytes, but too many', `dc 0100 ${'c0'.repeat(256)}`, tooMany],
  ['16,000 arrays inside one another', '91'.repeat(16_000), tooDeep],
  ['maps inside one another', '81a161'.repeat(5_000), tooDeep],
  ['bin 8', 'c4 01 00', 'a value of type 0xc4, which no message holds'],
  ['bin 32 of 4 GiB', 'c6 ffffffff', 'a value of type 0xc6, which no message holds'],
  ['the head that is never used', 'c1', 'a value of type 0xc1, which no message holds'],
  ['a regular expression', 'd4 78 00 92 a3 612b62 a0', 'a value of type 0xd4, which no message holds'],
  ['an error', 'd4 65 00 93 a5 4572726f72 a1 61 c0', 'a value of type 0xd4, which no message holds'],
  ['a set', 'd4 73 00 91 01', 'a value of type 0xd4, which no message holds'],
  ['a record', 'd4 72 40 91 a1 61 01', 'a value of type 0xd4, which no message holds'],
  ['a record of two bytes', 'd5 72 40 01 91 a1 61 01', 'a value of type 0xd5, which no message holds'],
  ['a date', 'd6 ff 00000000', 'a value of type 0xd6, which no message holds'],
  ['a pointer', 'd6 70 00000000', 'a value of type 0xd6, which no message holds'],
  ['bundled strings', 'd6 62 00000001 c1 01', 'a value of type 0xd6, which no message holds'],
  ['a typed array', 'c7 05 74 07 00000000', 'a value of type 0xc7, which no message holds'],
  ['a large integer', 'c7 09 42 010000000000000000', 'a value of type 0xc7, which no message holds'],
  ['2^53 (uint 64)', 'cf 0020000000000000', 'an integer beyond 2^53'],
  ['2^64 − 1', 'cf ffffffffffffffff', 'an integer beyond 2^53'],
  ['−2^53 − 1', 'd3 ffdfffffffffffff', 'an integer beyond 2^53'],
  ['the key __proto__', '81 a9 5f5f70726f746f5f5f 80', 'a key that is not of letters and digits'],
  ['a key with a control character', '81 a2 1b5b 00', 'a key that is not of letters and digits'],
  ['a key that is no UTF-8', '81 a1 ff 00', 'a key that is not of letters and digits'],
  ['a key that is a number', '81 01 00', 'a key that is no short string'],
  ['a key that is an array', '81 91 a1 61 00', 'a key that is no short string'],
  ['a key of 32 bytes', `81 d9 20 ${'61'.repeat(32)} 00`, 'a key that is no short string'],
  ['a key cut off', '81 a3 61', announced(3)],
  ['a map without its last value', '82 a1 61 00 a1 62', announced(6)],
  ['a key twice', '82 a1 61 01 a1 61 02', 'the key a twice'],
  ['a key twice inside', '91 82 a0 01 a0 02', 'the key  twice'],
];

for (const [name, hex, reason] of hostile) {
  t.test(`${name}: refused before anything is built`, (t) => {
    const bytes = fromHex(hex);
    t.equal(preScan(bytes), reason);
    t.ok(slowestMs([bytes], 1, preScan) <= 1, 'at once');
    t.end();
  });
}

t.test('keys are of letters and digits, and nothing beside those in ASCII', (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const wrong = preScan(Uint8Array.of(0x81, 0xa1, byte, 0xc0));
    const isWord = /^[A-Za-z0-9]$/.test(String.fromCharCode(byte));
    t.equal(wrong, isWord ? null : 'a key that is not of letters and digits', `byte ${byte}`);
  }
  t.end();
});

t.test('as deep and as many as the limits say, and no more', (t) => {
  t.equal(preScan(fromHex(`${'91'.repeat(controlDepth)} c0`)), null);
  t.equal(preScan(fromHex(`${'91'.repeat(controlDepth + 1)} c0`)), tooDeep);
  // The array is a value, too.
  const array = (count: number) => fromHex(`dc ${count.toString(16).padStart(4, '0')} ${'c0'.repeat(count)}`);
  t.equal(preScan(array(controlValues - 1)), null);
  t.equal(preScan(array(controlValues)), tooMany);
  t.end();
});

t.test('a message that lies anywhere in a buffer is read where it lies', (t) => {
  const buffer = fromHex('ff ff 82 a1 61 cd 0100 a1 62 01 ff');
  t.equal(preScan(buffer.subarray(2, -1)), null);
  t.equal(preScan(buffer.subarray(2)), '1 bytes behind its end');
  t.equal(preScan(buffer.subarray(2, -2)), announced(8));
  t.end();
});

/** Decodes what passes in both ways; throws if msgpackr does, or makes anything but the plain value of it. */
function passes(bytes: Uint8Array): boolean {
  if (preScan(bytes) !== null) return false;
  const value: unknown = packr.unpack(Buffer.from(bytes));
  if (!isPlain(value)) throw new Error(`${toHex(bytes)} was decoded to something else`);
  if (!isDeepStrictEqual(value, readPlain(bytes))) throw new Error(`${toHex(bytes)} means something else`);
  return true;
}

/** Bytes that read as values: heads followed by what they announce, with bad ones among them. */
const { value } = fc.letrec<{ value: Uint8Array }>((tie) => {
  const bytes = (...parts: (Uint8Array | readonly number[])[]) =>
    Uint8Array.from(parts.flatMap((part) => [...part]));
  const of = (head: number, length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((rest) => bytes([head], rest));
  const text = fc.uint8Array({ maxLength: 70 });
  const key = fc.oneof(
    fc.stringMatching(/^[a-c]{0,2}$/).map((key) => bytes([0xa0 + key.length], Buffer.from(key))),
    fc.constant(fromHex('a95f5f70726f746f5f5f')),
  );
  const entry = fc.tuple(key, tie('value')).map(([key, value]) => bytes(key, value));
  return {
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.nat(0xff).map((head) => Uint8Array.of(head)),
      fc.constantFrom(0xca, 0xce, 0xd2).chain((head) => of(head, 4)),
      fc.constantFrom(0xcb, 0xcf, 0xd3).chain((head) => of(head, 8)),
      fc.nat(0x1f_ffff).map((high) => bytes([0xcf, 0, high >> 16, high >> 8, high], [1, 2, 3, 4])),
      fc.constantFrom(0xcc, 0xd0).chain((head) => of(head, 1)),
      fc.constantFrom(0xcd, 0xd1, 0xd4).chain((head) => of(head, 2)),
      text.map((text) => bytes([0xd9, text.length], text)),
      text.map((text) => bytes([0xda, 0, text.length], text)),
      text.filter(({ length }) => length < 32).map((text) => bytes([0xa0 + text.length], text)),
      fc.array(tie('value'), { maxLength: 15 }).map((list) => bytes([0x90 + list.length], ...list)),
      fc.array(tie('value'), { maxLength: 20 }).map((list) => bytes([0xdc, 0, list.length], ...list)),
      fc.array(entry, { maxLength: 4 }).map((list) => bytes([0x80 + list.length], ...list)),
      fc.array(entry, { maxLength: 4 }).map((list) => bytes([0xde, 0, list.length], ...list)),
    ),
  };
});

t.test('whatever passes is decoded to plain values, those that the specification means', (t) => {
  const counts: Record<string, number> = {};
  const count = (name: string) => (bytes: Uint8Array) => {
    counts[name] = (counts[name] ?? 0) + Number(passes(bytes));
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), count('random bytes')), { seed, numRuns: 20_000 });
  fc.assert(fc.property(value, count('values')), { seed, numRuns: 20_000 });
  const samples = goldenMessages.map(({ bytes }) => bytes);
  for (const bytes of fuzzInputs(20_000, seed, samples)) count('altered messages')(bytes);
  t.comment(counts);
  for (const [name, passed] of Object.entries(counts)) {
    t.ok(passed > 1_000 && passed < 19_000, `${passed} of 20,000 ${name} passed`);
  }
  t.end();
});
