/** Protocol buffers against bytes from their documentation, and against a reader. */
import t from 'tap';
import { double, float, integer, message, text } from '../../scripts/protobuf.ts';
import { Message } from '../helpers/protobuf.ts';

const hex = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString('hex');

t.test('the examples of the documentation', (t) => {
  t.equal(hex(integer(1, 150)), '089601');
  t.equal(hex(text(2, 'testing')), '120774657374696e67');
  t.equal(hex(message(3, integer(1, 150))), '1a03089601');
  t.equal(hex(float(4, 1)), '250000803f');
  t.equal(hex(double(1, -2)), '0900000000000000c0');
  t.end();
});

t.test('numbers of any size come back', (t) => {
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    for (const field of [1, 15, 16, 20_000]) {
      t.equal(new Message(Buffer.concat(integer(field, value))).integer(field), value);
    }
  }
  t.end();
});

t.test('messages hold parts without copying them', (t) => {
  const large = new Uint8Array(300).fill(7);
  const parts = message(1, message(2, [large]), text(3, '×'));
  t.ok(parts.includes(large));
  const read = new Message(Buffer.concat(parts)).message(1);
  t.equal(read.bytes(2).length, 300);
  t.equal(read.text(3), '×');
  t.end();
});
