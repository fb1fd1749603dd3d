/** Records of ranks: whatever bytes come are a record, one of a newer version, or something that is said. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { decodeAttendee, encodeAttendee, mostRecordBytes } from '../../../worker/mpi/attendee.ts';
import { attendee } from '../../helpers/attendees.ts';

/** Any JSON behind a header that fits. */
function sealed(value: unknown): Buffer {
  const json = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([Buffer.from('LOCKSTEP'), length, createHash('sha256').update(json).digest(), json]);
}

function reasonFor(bytes: Uint8Array): string {
  const arrival = decodeAttendee(bytes);
  return arrival.kind === 'garbage' ? arrival.reason : `a ${arrival.kind}`;
}

t.test('a record comes as it was sent, behind the header that never changes', (t) => {
  const record = attendee({ same: { '--resume': 'step 12' }, error: { code: 'DATA', message: 'x' } });
  const bytes = encodeAttendee(record);
  t.same(decodeAttendee(bytes), { kind: 'attendee', attendee: record });
  t.same(bytes, sealed(JSON.parse(Buffer.from(bytes.subarray(44)).toString())), 'byte for byte');
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  t.equal(decodeAttendee(shifted.subarray(3)).kind, 'attendee', 'wherever it lies in a buffer');
  t.end();
});

t.test('of a newer format nothing but the version is read', (t) => {
  const newer = sealed({ format: 2, lockstep: '0.9.0\u001b[31m', host: 7, extra: [[[1]]] });
  t.same(decodeAttendee(newer), { kind: 'newer', format: 2, lockstep: '0.9.0 [31m' });
  t.end();
});

t.test('a record may say more than is known', (t) => {
  t.equal(decodeAttendee(sealed({ ...attendee(), colour: 'blue' })).kind, 'attendee');
  t.end();
});

t.test('what is no record is told why', (t) => {
  const good = encodeAttendee(attendee());
  t.match(reasonFor(new Uint8Array(0)), /^0 bytes that do not begin as a record/);
  t.match(reasonFor(Buffer.from('GET / HTTP/1.1')), /do not begin/);
  t.match(reasonFor(good.subarray(0, 43)), /do not begin/);
  t.match(reasonFor(good.subarray(0, -1)), /bytes behind a header that says/);
  const flipped = Uint8Array.from(good);
  flipped[60] ^= 1;
  t.match(reasonFor(flipped), /SHA-256/);
  t.match(reasonFor(new Uint8Array(mostRecordBytes + 1)), /^65537 bytes, expected at most 65536$/);
  t.match(reasonFor(sealed('{')), /JSON/);
  t.match(reasonFor(sealed([])), /expected object/);
  t.match(reasonFor(sealed({ ...attendee(), threads: -1 })), /^"threads": /);
  t.match(reasonFor(sealed({ ...attendee(), host: 'x'.repeat(300) })), /^"host": /);
  t.match(
    reasonFor(sealed({ ...attendee(), recipe: '{"a":{}}' })),
    /^"recipe": expected the JSON of a recipe/,
  );
  t.match(reasonFor(sealed({ ...attendee(), recipe: '[1]' })), /^"recipe": /);
  t.match(reasonFor(sealed({ ...attendee(), recipe: 'no' })), /^"recipe": /);
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`x${i}`, '1']));
  t.match(reasonFor(sealed({ ...attendee(), same: many })), /^"same": expected at most 32/);
  t.match(reasonFor(sealed({ ...attendee(), format: 0 })), /^"format": /);
  t.end();
});

t.test('texts of other ranks move no cursor', (t) => {
  const arrival = decodeAttendee(
    sealed({ ...attendee(), host: 'a\u001b[2J', error: { code: 'X\n', message: 'b\r\nc\u202e' } }),
  );
  t.match(arrival, { attendee: { host: 'a [2J', error: { code: 'X', message: 'b c' } } });
  t.end();
});

t.test('no bytes make it throw', (t) => {
  const good = Buffer.from(encodeAttendee(attendee()));
  const broken = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good);
    bytes[at] = byte;
    return bytes;
  });
  const hidden = fc.json().map(sealed);
  const kinds = new Set<string>();
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), broken, hidden), (bytes) => {
      const arrival = decodeAttendee(bytes);
      kinds.add(arrival.kind);
      if (arrival.kind === 'garbage' && /\p{Cc}/u.test(arrival.reason)) throw new Error(arrival.reason);
    }),
    { seed: 7, numRuns: 2_000 },
  );
  t.ok(kinds.has('garbage'));
  t.end();
});
