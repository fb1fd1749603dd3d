/** Records against the checksums of RFC 3720 and the beginning of files that TensorFlow wrote. */
import t from 'tap';
import { crc32c, record } from '../../../scripts/tensorboard/records.ts';
import { readRecords } from '../../helpers/event-files.ts';

t.test('CRC-32C has the examples of RFC 3720, appendix B.4', (t) => {
  const upwards = Uint8Array.from({ length: 32 }, (_, i) => i);
  const command =
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000';
  // Their bytes, in the order in which they are sent: the lowest first.
  const examples: [name: string, data: Uint8Array, sent: string][] = [
    ['zeros', new Uint8Array(32), 'aa36918a'],
    ['ones', new Uint8Array(32).fill(0xff), '43aba862'],
    ['upwards', upwards, '4e79dd46'],
    ['downwards', upwards.toReversed(), '5cdb3f11'],
    ['a read command', Buffer.from(command, 'hex'), '563a96d9'],
  ];
  for (const [name, data, sent] of examples) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(crc32c(data));
    t.equal(bytes.toString('hex'), sent, name);
  }
  t.equal(crc32c(new Uint8Array(0)), 0);
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283, 'the check value of its catalogues');
  t.end();
});

t.test('a record of 24 bytes begins as the first one of every file of TensorFlow', (t) => {
  t.equal(
    Buffer.from(record(new Uint8Array(24)))
      .subarray(0, 12)
      .toString('hex'),
    '1800000000000000a37f4b22',
  );
  t.end();
});

t.test('records come back one behind the other, and none with a bit that flipped', (t) => {
  const contents = [0, 1, 2, 7, 300].map((length) => Buffer.alloc(length, length));
  const file = Buffer.concat(contents.map(record));
  t.same(readRecords(file), contents);
  for (let at = 0; at < file.length; at++) {
    const altered = Buffer.from(file);
    altered[at] ^= 1 << (at % 8);
    t.throws(() => readRecords(altered), `byte ${at}`);
  }
  t.end();
});
