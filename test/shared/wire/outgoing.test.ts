import t from 'tap';
import { Outgoing } from '../../../shared/wire/outgoing.ts';

t.test('copies share memory with none that is still on its way', (t) => {
  const outgoing = new Outgoing();
  const link = { bufferedBytes: 0 };
  const first = outgoing.copy(Uint8Array.of(1, 2, 3), link);
  link.bufferedBytes = 3;
  const second = outgoing.copy(Uint8Array.of(4, 5), link);
  t.same([...first], [1, 2, 3]);
  t.same([...second], [4, 5]);
  t.not(first.buffer, second.buffer);
  link.bufferedBytes = 0;
  const third = outgoing.copy(Uint8Array.of(6), link);
  t.same([...third], [6]);
  t.equal(third.buffer, first.buffer, 'what has left is used again');
  link.bufferedBytes = 1;
  const larger = outgoing.copy(Uint8Array.of(7, 8, 9, 10), link);
  t.same([...larger], [7, 8, 9, 10]);
  t.same([...third], [6]);
  t.end();
});

t.test('of shared memory it makes a copy that is not shared', (t) => {
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(9);
  const copy = new Outgoing().copy(shared, { bufferedBytes: 0 });
  shared.fill(0);
  t.same([...copy], [9, 9, 9, 9]);
  t.type(copy.buffer, ArrayBuffer);
  t.end();
});
