/** Bytes on the wire, worked out by hand after RFC 6455, section 5.2. */
import t from 'tap';
import { bytesOf, Traffic, webSocketBytes } from '../../../shared/wire/traffic.ts';

t.test('a fragment has a header of 2, 4 or 10 bytes, and 4 more for a mask', (t) => {
  for (const [length, header] of [
    [0, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
  ]) {
    t.equal(webSocketBytes([length], false), header + length);
    t.equal(webSocketBytes([length], true), header + 4 + length);
  }
  t.equal(webSocketBytes([64, 1000], true), 6 + 64 + 8 + 1000, 'each fragment has its own');
  t.equal(webSocketBytes([], true), 0);
  t.end();
});

t.test('what was sent and received is counted by kind, and can be added to that of others', (t) => {
  const traffic = new Traffic();
  traffic.countSent('control', [10], false);
  traffic.countSent('total', [64, 100], false);
  traffic.countReceived('partial', [64, 100], true);
  const other = new Traffic();
  other.countReceived('partial', [1], true);
  other.add(traffic);
  t.match(other.sent, { control: 12, total: 168, replica: 0, partial: 0 });
  t.match(other.received, { partial: 176 + 7, control: 0 });
  t.equal(bytesOf(other.sent), 180);
  t.equal(bytesOf(other.sent, ['control', 'data']), 12);
  t.match(traffic.received, { partial: 176 });
  t.end();
});
