/** A worker's way in, and everything that may stand where a coordinator is expected. */
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createServer as createTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { ToWorker } from '../../shared/wire/messages.ts';
import { type ConnectOptions, connect } from '../../worker/connect.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { linked, soon, Told, testDoor, toConnect, token } from '../helpers/door.ts';
import { rejection } from '../helpers/rejection.ts';

const own = await newIdentity();
const others = await newIdentity();

/** Something that is no door, on a free port of loopback. */
async function listening(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // the worker may leave as it likes
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A listener that answers with some bytes as soon as any have come. */
function answering(bytes: string): Server {
  return createServer((socket) => socket.once('data', () => socket.end(bytes)));
}

function attempt(url: string, options: Partial<ConnectOptions> = {}) {
  return connect({ ...toConnect({ url }, new Told<ToWorker>()), ...options });
}

t.test('a worker comes in, and both ends know each other’s address', async (t) => {
  const { door, worker, coordinator } = await linked(t);
  t.equal(worker.address, `127.0.0.1:${door.port}`);
  t.match(coordinator.address, /^127\.0\.0\.1:\d+$/);
  t.same(door.lines, []);
});

t.test('a worker comes in through TLS with the fingerprint, in either way of writing it', async (t) => {
  const door = await testDoor(t, { tls: own });
  await linked(t, door, { fingerprint: own.fingerprint });
  const withColons = own.fingerprint.slice(7).toUpperCase().match(/../g)?.join(':');
  await linked(t, door, { fingerprint: `sha256:${withColons}` });
  t.equal(door.arrivals.length, 2);
  t.same(door.lines, []);
});

t.test('a worker comes in over IPv6, and by a name', async (t) => {
  if (!Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))) {
    t.comment('NOT TESTED: this system has no IPv6');
    return;
  }
  const door = await testDoor(t, { listen: { host: '::', port: 0 } });
  const { worker, coordinator } = await linked(t, { ...door, url: `ws://[::1]:${door.port}` });
  t.equal(worker.address, `[::1]:${door.port}`);
  t.match(coordinator.address, /^\[::1\]:\d+$/);
  const four = await linked(t, { ...door, url: `ws://localhost:${door.port}` });
  t.match(four.coordinator.address, /^(127\.0\.0\.1|\[::1\]):\d+$/);
});

t.test('a wrong or missing token is refused on both sides, and never shown', async (t) => {
  for (const tls of [null, own]) {
    const door = await testDoor(t, { tls });
    const fingerprint = tls === null ? null : own.fingerprint;
    for (const wrong of ['another-token', `${token}x`]) {
      const message = await rejection(attempt(door.url, { token: wrong, fingerprint }), 'REFUSED');
      t.match(message, /^coordinator 127\.0\.0\.1:\d+: refused: wrong token; set LOCKSTEP_TOKEN to the one/);
      t.match(door.lines.at(-1), /^127\.0\.0\.1:\d+ refused: wrong token/);
      t.notMatch(message + door.lines.join(), new RegExp(`${wrong}|${token}`));
    }
    t.same(door.arrivals, []);
  }
});

t.test('one in the middle with another certificate gets no token, nor anything else', async (t) => {
  /** TLS that keeps what it hears; the worker may hang up before or after the handshake is over on this side. */
  const listener = async ({ cert, key }: { cert: string; key: string }) => {
    const heard = { text: '', handshakes: 0 };
    const server = createTls({ cert, key }, (socket) => {
      heard.handshakes++;
      socket.on('error', () => {}); // the worker hangs up
      socket.on('data', (data) => {
        heard.text += data.toString('latin1');
        if (heard.text.includes('\r\n\r\n')) socket.end();
      });
    });
    server.on('tlsClientError', () => heard.handshakes++);
    return { heard, url: `wss://127.0.0.1:${await listening(t, server)}` };
  };
  const middle = await listener(others);
  const message = await rejection(attempt(middle.url, { fingerprint: own.fingerprint }), 'REFUSED');
  t.match(message, 'its certificate is another one: got sha256:');
  t.match(message, `got ${others.fingerprint}, expected ${own.fingerprint}; nothing was sent;`);
  await soon(() => middle.heard.handshakes === 1);
  t.equal(middle.heard.text, '', 'not one byte inside of TLS');
  // It would have heard the token, had it been trusted.
  const trusted = await listener(own);
  await rejection(attempt(trusted.url, { fingerprint: own.fingerprint }), 'CONNECTION');
  t.match(trusted.heard.text, `Bearer ${token}`);
});

t.test('without a fingerprint a certificate that nobody vouches for is not trusted', async (t) => {
  const door = await testDoor(t, { tls: own });
  const message = await rejection(attempt(door.url), 'REFUSED');
  t.match(message, /its certificate is not trusted here \(DEPTH_ZERO_SELF_SIGNED_CERT\); pass --fingerprint/);
  t.same(door.arrivals, []);
});

t.test('the wrong scheme is told, either way', async (t) => {
  const open = await testDoor(t);
  const secure = await testDoor(t, { tls: own });
  const swapped = (url: string) => url.replace(/^wss?/, (scheme) => (scheme === 'ws' ? 'wss' : 'ws'));
  const noTls = await rejection(attempt(swapped(open.url), { fingerprint: own.fingerprint }), 'REFUSED');
  t.match(noTls, /what listens there does not speak TLS; use ws:\/\/ if it listens in the open$/);
  const tls = await rejection(attempt(swapped(secure.url)), 'REFUSED');
  t.match(tls, /refused: this port speaks TLS; use wss:\/\/ and the fingerprint$/);
  t.match(secure.lines, [/refused: this port speaks TLS; use wss:\/\/ and the fingerprint$/]);
  t.match(open.lines, [/refused: no request that can be read/]);
});

t.test('nobody there, nobody of that name', async (t) => {
  const gone = createServer();
  const port = await listening(t, gone);
  gone.close();
  await once(gone, 'close');
  t.match(
    await rejection(attempt(`ws://127.0.0.1:${port}`), 'CONNECTION'),
    `coordinator 127.0.0.1:${port}: nobody listens there; is the coordinator running, and is this its address?`,
  );
  t.match(
    await rejection(attempt('wss://nobody.invalid:7077'), 'CONNECTION'),
    /^coordinator nobody\.invalid:7077: (nobody knows that name|that name cannot be looked up now)/,
  );
});

const silent = (): Server => createServer((socket) => void socket.resume());
const noDoors: Record<string, [() => Server, 'CONNECTION' | 'REFUSED', RegExp]> = {
  'one that says nothing': [silent, 'CONNECTION', /no answer within 200 ms; is the coordinator running/],
  'one that hangs up': [() => answering(''), 'CONNECTION', /socket hang up|cut before an answer/],
  'one that speaks something else': [
    () => answering('220 mail.example ESMTP\r\n'),
    'REFUSED',
    /no coordinator of Lockstep listens there \(Parse Error: .*\); check address and port/,
  ],
  'a web site': [
    () => createHttp((_, response) => response.end('<h1>\u001b[31mhi</h1>\nmore')),
    'REFUSED',
    /got HTTP 200 "<h1>\\u001b\[31mhi<\/h1>", expected a coordinator of Lockstep; check address and port/,
  ],
  'a web site that goes on for ever': [
    () => createHttp((_, response) => void setInterval(() => response.write('x'.repeat(500)), 1).unref()),
    'REFUSED',
    /got HTTP 200 "x{77}\.\.\.", expected a coordinator/,
  ],
  'a web site that never ends its answer': [
    () => createHttp((_, response) => void response.write('x')),
    'CONNECTION',
    /no answer within 200 ms/,
  ],
  'one that redirects': [
    () => createHttp((_, response) => response.writeHead(302, { Location: 'http://evil.example/' }).end()),
    'REFUSED',
    /got HTTP 302 ""/,
  ],
  'a WebSocket of something else': [
    () => answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    'REFUSED',
    /no coordinator of Lockstep listens there \(.*Sec-WebSocket-Accept/,
  ],
};

for (const [what, [make, code, says]] of Object.entries(noDoors)) {
  t.test(`${what} is no coordinator`, async (t) => {
    const port = await listening(t, make());
    const timeoutMs = code === 'CONNECTION' ? 200 : 30_000;
    t.match(await rejection(attempt(`ws://127.0.0.1:${port}`, { timeoutMs }), code), says);
  });
}

t.test('one that says nothing instead of TLS is given up in time', async (t) => {
  const port = await listening(t, silent());
  const options = { fingerprint: own.fingerprint, timeoutMs: 200 };
  t.match(
    await rejection(attempt(`wss://127.0.0.1:${port}`, options), 'CONNECTION'),
    /no answer within 200 ms/,
  );
});

t.test('a ticket that is not expected is refused', async (t) => {
  const { worker, toldWorker } = await linked(t);
  t.match(
    await rejection(worker.openBulk('0'.repeat(32), 1), 'REFUSED'),
    /refused: no ticket that is expected/,
  );
  t.same(toldWorker.closings, [], 'the link stays');
});

t.test('what cannot be a coordinator’s URL or fingerprint is refused before anything is sent', async (t) => {
  const urls: Record<string, RegExp> = {
    '': /^URL: got "", expected the one that the coordinator printed, like wss:\/\/10\.0\.0\.7:7077$/,
    'localhost:7077': /^URL: got "localhost:7077", expected the one/,
    'http://localhost:7077': /^URL: got "http:/,
    'ws://localhost:99999': /^URL: got/,
    'ws://10.0.0.7:7077':
      /^URL: got "ws:\/\/10\.0\.0\.7:7077", expected wss:\/\/ beyond this machine; with --insecure/,
    'ws://localhost.example:7077': /expected wss:/,
    'ws://127.0.0.1.example:7077': /expected wss:/,
  };
  for (const [url, says] of Object.entries(urls)) {
    t.match(await rejection((async () => attempt(url))(), 'USAGE'), says);
  }
  for (const secret of [
    'wss://me:secret@h:1',
    'wss://h:1/?token=secret',
    'wss://h:1/#secret',
    'wss://h:1/secret',
  ]) {
    const message = await rejection((async () => attempt(secret))(), 'USAGE');
    t.match(message, /^URL: got more than a host and a port, expected .*; a token goes in LOCKSTEP_TOKEN$/);
    t.notMatch(message, 'secret');
  }
  const wrong = { fingerprint: 'sha256:1234' };
  t.match(
    await rejection((async () => attempt('wss://h:1', wrong))(), 'USAGE'),
    /^--fingerprint: got "sha256:1234"/,
  );
  t.match(
    await rejection((async () => attempt('ws://localhost:1', { fingerprint: own.fingerprint }))(), 'USAGE'),
    /^--fingerprint: got it with "ws:\/\/localhost:1", expected a URL that begins with wss:\/\/$/,
  );
});
