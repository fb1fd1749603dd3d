/** What is not taken from the other end of a link, and what both ends are told then. */
import t from 'tap';
import { encodeMessage } from '../../../shared/wire/codec.ts';
import { encodeHeader, headerBytes } from '../../../shared/wire/frame.ts';
import { controlBytes, expelTimeoutMs, helloBytes, mostFragments } from '../../../shared/wire/limits.ts';
import {
  closeFrame,
  frameHeader,
  mostBuffered,
  soon,
  testDoor,
  upgraded,
  webSocketFrame,
} from '../../helpers/door.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { rawPayloadBytes, rawWorker } from '../../helpers/raw-worker.ts';

const text = webSocketFrame(Buffer.from('hi'), { opcode: 1 });
const damaged = Uint8Array.from(encodeHeader(frameHeader, 4));
damaged[20] ^= 1;
const fragments = Array.from({ length: mostFragments + 1 }, (_, i) =>
  webSocketFrame(Uint8Array.of(0), { opcode: i === 0 ? 2 : 0, isLast: false }),
);

interface Breach {
  readonly where: 'control' | 'bulk';
  readonly bytes: Uint8Array;
  /** What the owner is told, and the other end by one of its two connections. */
  readonly reason: RegExp;
  /** The code in the close frame of the connection that it was sent on. */
  readonly code: number;
}

const breaches: Record<string, Breach> = {
  'text for a message': {
    where: 'control',
    bytes: text,
    reason: /^got text, expected a message/,
    code: 1003,
  },
  'text for a frame': { where: 'bulk', bytes: text, reason: /^got text, expected a frame/, code: 1003 },
  'no message': {
    where: 'control',
    bytes: webSocketFrame(Uint8Array.of(1)),
    reason: /^got no message: ./,
    code: 1008,
  },
  'a message too long': {
    where: 'control',
    bytes: webSocketFrame(new Uint8Array(10), { length: controlBytes + 1 }),
    reason: /^control connection: Max payload size exceeded/,
    code: 1009,
  },
  'a message of 2⁶⁰ bytes': {
    where: 'control',
    bytes: webSocketFrame(new Uint8Array(10), { length: 2 ** 60 }),
    reason: /^control connection: Unsupported WebSocket frame/,
    code: 1009,
  },
  'too many fragments': {
    where: 'control',
    bytes: Buffer.concat(fragments),
    reason: /^control connection: Too many message fragments/,
    code: 1008,
  },
  garbage: {
    where: 'control',
    bytes: new Uint8Array(100).fill(0xff),
    reason: /^control connection: Invalid WebSocket frame/,
    code: 1002,
  },
  'a frame without a mask': {
    where: 'control',
    bytes: Uint8Array.of(0x82, 1, 0),
    reason: /^control connection: .*MASK must be set/,
    code: 1002,
  },
  'a compressed message': {
    where: 'control',
    bytes: Uint8Array.of(0xc2, 0x81, 0, 0, 0, 0, 1),
    reason: /^control connection: .*RSV1 must be clear/,
    code: 1002,
  },
  'a frame longer than expected': {
    where: 'bulk',
    bytes: webSocketFrame(new Uint8Array(10), { length: rawPayloadBytes + headerBytes + 1 }),
    reason: /^bulk connection: Max payload size exceeded/,
    code: 1009,
  },
  'a frame shorter than a header': {
    where: 'bulk',
    bytes: webSocketFrame(new Uint8Array(3)),
    reason: /^got no frame: 3 bytes/,
    code: 1008,
  },
  'a frame with a damaged header': {
    where: 'bulk',
    bytes: webSocketFrame(Buffer.concat([damaged, new Uint8Array(4)])),
    reason: /^got no frame: a header whose checksum is wrong/,
    code: 1008,
  },
  'a frame of another length than its header says': {
    where: 'bulk',
    bytes: webSocketFrame(Buffer.concat([encodeHeader(frameHeader, 5), new Uint8Array(4)])),
    reason: /^got no frame: 4 bytes of payload, its header says 5/,
    code: 1008,
  },
  'a frame in two pieces of another length than its header says': {
    where: 'bulk',
    bytes: Buffer.concat([
      webSocketFrame(encodeHeader(frameHeader, 5), { isLast: false }),
      webSocketFrame(new Uint8Array(4), { opcode: 0 }),
    ]),
    reason: /^got no frame: 4 bytes of payload, its header says 5/,
    code: 1008,
  },
};

for (const [what, { where, bytes, reason, code }] of Object.entries(breaches)) {
  t.test(`${what} ends the link, and both connections with it`, async (t) => {
    const clock = new ManualClock();
    const raw = await rawWorker(t, await testDoor(t, { clock }));
    const { control, bulk, link, told } = raw;
    raw[where].write(bytes);
    await soon(() => control.received.length > 0 && bulk.received.length > 0);
    t.equal(closeFrame(raw[where].received)?.code, code);
    const texts = [control, bulk].map(({ received }) => closeFrame(received)?.reason ?? '');
    t.ok(
      texts.some((one) => reason.test(one)),
      `the other end can show it: ${texts.join(' | ')}`,
    );
    link.send({ type: 'ping', number: 1 });
    clock.advance(expelTimeoutMs); // the close frames are not answered
    await Promise.all([control.closed(), bulk.closed()]);
    t.match(await told.end(), reason);
    t.equal(told.messages.length, 1, 'nothing but the hello was told');
    t.equal(told.frames.length, 0);
    t.equal(clock.waiting, 0);
  });
}

t.test('who floods after a breach is not read any more', async (t) => {
  const clock = new ManualClock();
  const { control, bulk, told } = await rawWorker(t, await testDoor(t, { clock }));
  control.write(text);
  await soon(() => control.received.length > 0);
  for (const raw of [control, bulk]) {
    const taken = await raw.flood();
    t.ok(raw.socket.writable && taken < mostBuffered, `${taken} bytes were taken`);
  }
  clock.advance(expelTimeoutMs);
  t.match(await told.end(), /^got text/);
});

const beforeHello: Record<string, [Uint8Array, RegExp, number]> = {
  'another message than a hello': [
    webSocketFrame(encodeMessage({ type: 'join' })),
    /^got join, expected a hello first$/,
    1008,
  ],
  'a message longer than a hello may be': [
    webSocketFrame(new Uint8Array(helloBytes + 1)),
    /^got a message of 4097 bytes, expected at most 4096$/,
    1009,
  ],
};

for (const [what, [bytes, reason, code]] of Object.entries(beforeHello)) {
  t.test(`${what} ends the link at its beginning`, async (t) => {
    const clock = new ManualClock();
    const door = await testDoor(t, { clock });
    const control = (await upgraded(t, door.port)).write(bytes);
    await soon(() => control.received.length > 0);
    t.equal(closeFrame(control.received)?.code, code);
    t.match(closeFrame(control.received)?.reason ?? '', reason);
    clock.advance(expelTimeoutMs);
    t.match(await door.arrivals[0].told.end(), reason);
    t.same(door.arrivals[0].told.messages, []);
  });
}
