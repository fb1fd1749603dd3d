/** Both ends of a link, as their owners see it. */
import t from 'tap';
import { encodeMessage } from '../../../shared/wire/codec.ts';
import { encodeHeader } from '../../../shared/wire/frame.ts';
import {
  frameHeader,
  linked,
  payloadBytes,
  soon,
  testDoor,
  upgraded,
  webSocketFrame,
} from '../../helpers/door.ts';
import { rawWorker } from '../../helpers/raw-worker.ts';

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
}

t.test(
  'frames of every size arrive as they were sent, both ways, aligned and alone in their memory',
  async (t) => {
    const { worker, coordinator, toldWorker, toldCoordinator } = await linked(t);
    const sizes = [0, 1, 4, 124, 125, 126, 4_096, 65_535, 65_536, 65_537, 636_000, payloadBytes];
    for (const size of sizes) {
      worker.sendFrame({ ...frameHeader, panel: size }, pattern(size));
      coordinator.sendFrame({ ...frameHeader, type: 'total', panel: size }, pattern(size));
    }
    for (const told of [toldWorker, toldCoordinator]) {
      await told.until(({ frames }) => frames.length === sizes.length);
      for (const [index, { payload, panel, type }] of told.frames.entries()) {
        t.equal(panel, sizes[index]);
        t.equal(type, told === toldWorker ? 'total' : 'partial');
        t.ok(Buffer.from(pattern(sizes[index])).equals(payload), `${panel} bytes`);
        t.equal(payload.byteOffset % 8, 0);
        t.ok(
          payload.buffer.byteLength <= Math.max(64, 2 * payload.length),
          `in ${payload.buffer.byteLength} bytes`,
        );
      }
    }
  },
);

t.test('messages arrive in order, both ways', async (t) => {
  const { worker, coordinator, toldWorker, toldCoordinator } = await linked(t);
  for (let step = 0; step < 100; step++) {
    worker.send({ type: 'ready', step });
    coordinator.send({ type: 'evaluate', step, from: 0, to: 1 });
  }
  await toldWorker.until(({ messages }) => messages.length === 100);
  await toldCoordinator.until(({ messages }) => messages.length === 101);
  const steps = Array.from({ length: 100 }, (_, step) => step);
  for (const messages of [toldWorker.messages, toldCoordinator.messages.slice(1)]) {
    t.same(
      messages.map((message) => 'step' in message && message.step),
      steps,
    );
  }
});

t.test('a frame before the bulk connection is a mistake of ours', async (t) => {
  const door = await testDoor(t);
  await upgraded(t, door.port);
  const { link } = await door.arrival(0);
  t.throws(
    () => link.sendFrame(frameHeader, new Uint8Array(4)),
    /a frame before the bulk connection is open/,
  );
});

t.test('closing lets all that was sent arrive, then tells both the reason', async (t) => {
  const { worker, coordinator, toldWorker, toldCoordinator } = await linked(t);
  for (let i = 0; i < 20; i++) coordinator.sendFrame({ ...frameHeader, panel: i }, pattern(900_000));
  coordinator.send({ type: 'end', reason: 'all done', failed: true });
  coordinator.close('the run is over');
  coordinator.close('twice');
  coordinator.send({ type: 'ping', number: 1 });
  coordinator.sendFrame(frameHeader, pattern(4));
  t.equal(await toldWorker.end(), 'the run is over');
  t.equal(toldWorker.frames.length, 20);
  t.same(toldWorker.messages, [{ type: 'end', reason: 'all done', failed: true }]);
  t.equal(await toldCoordinator.end(), 'the run is over');
  worker.send({ type: 'heartbeat' });
  worker.sendFrame(frameHeader, pattern(4));
  worker.close('late');
  worker.destroy();
  t.equal(toldWorker.closings.length, 1);
});

t.test('after closing nothing is told any more but the end', async (t) => {
  const { worker, coordinator, toldCoordinator } = await linked(t);
  coordinator.close('enough');
  for (let i = 0; i < 5; i++) worker.send({ type: 'heartbeat' });
  worker.sendFrame(frameHeader, pattern(4));
  t.equal(await toldCoordinator.end(), 'enough');
  t.equal(toldCoordinator.messages.length, 1, 'the hello');
  t.equal(toldCoordinator.frames.length, 0);
});

t.test('a reason is cut to what fits, and stripped of what moves a cursor', async (t) => {
  const { worker, toldWorker, toldCoordinator } = await linked(t);
  worker.close(`\u001b[2Jred\u202e\r\nno\u2028 ${'ü😀'.repeat(100)}`);
  const reason = await toldCoordinator.end();
  t.match(reason, /^\[2Jred no {1,2}(ü😀)+(ü|ü\ufffd)?$/u);
  t.ok(Buffer.byteLength(reason) <= 123);
  t.match(await toldWorker.end(), /^\[2Jred no {1,2}ü😀/u);
});

t.test('dropping tells the own end so, and the other one that the connection was lost', async (t) => {
  const { worker, toldWorker, toldCoordinator } = await linked(t);
  worker.destroy();
  t.equal(await toldWorker.end(), 'dropped here');
  t.equal(await toldCoordinator.end(), 'the connection was lost');
  t.same([toldWorker.closings.length, toldCoordinator.closings.length], [1, 1]);
});

t.test('who does not read fills the buffer, which says when it has drained', async (t) => {
  const { bulk, link } = await rawWorker(t, await testDoor(t));
  bulk.socket.pause();
  const most = 16 * 2 ** 20;
  while (link.bufferedBytes < most) link.sendFrame(frameHeader, new Uint8Array(2 ** 20));
  let isBelow = 0;
  link.whenBelow(most / 2, () => isBelow++);
  link.whenBelow(2 * most, () => isBelow++);
  t.equal(isBelow, 0, 'never before it has returned');
  await soon(() => isBelow === 1);
  t.ok(link.bufferedBytes > most / 2, 'only the one that is so already');
  bulk.socket.resume();
  await soon(() => isBelow === 2);
  t.ok(link.bufferedBytes <= most / 2);
});

t.test('the wait for a buffer ends with the connection', async (t) => {
  const { bulk, link, told } = await rawWorker(t, await testDoor(t));
  bulk.socket.pause();
  for (let i = 0; i < 16; i++) link.sendFrame(frameHeader, new Uint8Array(2 ** 20));
  let isOver = 0;
  link.whenBelow(0, () => isOver++);
  link.destroy();
  await told.end();
  t.equal(isOver, 1);
  link.whenBelow(0, () => isOver++);
  await soon(() => isOver === 2);
});

t.test('a frame in one piece or in others than ours is taken too', async (t) => {
  const { bulk, told } = await rawWorker(t, await testDoor(t));
  const message = Buffer.concat([encodeHeader(frameHeader, 12), pattern(12)]);
  bulk.write(webSocketFrame(message));
  const three = [message.subarray(0, 10), message.subarray(10, 70), message.subarray(70)];
  for (const [i, piece] of three.entries())
    bulk.write(webSocketFrame(piece, { opcode: i === 0 ? 2 : 0, isLast: i === 2 }));
  await told.until(({ frames }) => frames.length === 2);
  for (const { payload } of told.frames) t.same([...payload], [...pattern(12)]);
});

t.test('messages byte by byte are taken', async (t) => {
  const { control, told } = await rawWorker(t, await testDoor(t));
  control.socket.setNoDelay(true);
  const message = webSocketFrame(encodeMessage({ type: 'leave', reason: 'x'.repeat(200) }));
  for (const byte of message) {
    control.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await told.until(({ messages }) => messages.length === 2);
  t.same(told.messages[1], { type: 'leave', reason: 'x'.repeat(200) });
});

t.test('losing either connection loses the link at once', async (t) => {
  const door = await testDoor(t);
  for (const which of ['control', 'bulk'] as const) {
    for (const how of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const worker = await rawWorker(t, door);
      worker[which].socket[how]();
      t.equal(await worker.told.end(), 'the connection was lost', `${which} ${how}`);
      await Promise.all([worker.control.closed(), worker.bulk.closed()]);
    }
  }
});
