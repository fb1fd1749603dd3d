/** What stands on the wire when a worker sends. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t, { type Test } from 'tap';
import { acceptWebSocket, openWebSocket } from '../../../shared/wire/websocket.ts';

const payload = Buffer.from('0123456789');

/** Bytes on the wire and the message that arrives, when one is sent with or without a mask. */
async function sent(t: Test, isMasked: boolean): Promise<{ wire: Buffer; message: Buffer }> {
  const web = createServer().listen(0, '127.0.0.1');
  await once(web, 'listening');
  const upgrade = once(web, 'upgrade');
  const port = (web.address() as AddressInfo).port;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const options = { url: new URL(`ws://127.0.0.1:${port}/`), headers: {}, messageBytes: 100, isMasked };
  const opening = openWebSocket(socket, options, (opened) => opened);
  const [request, stream, head] = await upgrade;
  let wire = Buffer.alloc(0);
  stream.on('data', (data: Buffer) => {
    wire = Buffer.concat([wire, data]);
  });
  const accepted = acceptWebSocket(request, stream, head, 100);
  if (typeof accepted === 'string') throw new Error(accepted);
  const received = once(accepted, 'message');
  const webSocket = await opening;
  webSocket.send(payload);
  const [message] = await received;
  t.equal(webSocket.extensions, '', 'nothing is compressed');
  webSocket.terminate();
  await once(accepted, 'close');
  web.close();
  return { wire, message };
}

t.test('with a mask, each message has one of its own', async (t) => {
  const { wire, message } = await sent(t, true);
  t.same([...wire.subarray(0, 2)], [0x82, 0x80 | payload.length]);
  const mask = wire.subarray(2, 6);
  t.same(
    [...wire.subarray(6)].map((byte, i) => byte ^ mask[i % 4]),
    [...payload],
  );
  t.ok(message.equals(payload));
  const again = await sent(t, true);
  t.notSame(again.wire.subarray(2, 6), mask, 'and cannot be foretold');
  t.same([...payload], [...Buffer.from('0123456789')], 'what is sent is not changed');
});

t.test('without a mask the bytes stand there as they are', async (t) => {
  const { wire, message } = await sent(t, false);
  t.same([...wire], [0x82, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
  t.ok(message.equals(payload));
});

t.test('what is no upgrade for a WebSocket is answered by the caller', async (t) => {
  const web = createServer().listen(0, '127.0.0.1');
  await once(web, 'listening');
  const upgrade = once(web, 'upgrade');
  const socket = connect((web.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [request, stream, head] = await upgrade;
  t.equal(acceptWebSocket(request, stream, head, 100), 'Missing or invalid Sec-WebSocket-Key header');
  t.equal(socket.bytesRead, 0);
  t.ok(stream.writable);
  socket.destroy();
  stream.destroy();
  web.close();
});
