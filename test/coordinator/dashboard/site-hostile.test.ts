/** Whoever speaks to the page byte by byte, and badly: others are served meanwhile, and nothing grows. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { get, type IncomingMessage } from 'node:http';
import { get as getSecurely } from 'node:https';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { mostConnections } from '../../../coordinator/dashboard/visitors.ts';
import { newIdentity } from '../../helpers/certificates.ts';
import { FeedReader, fetched, playedSite, siteToken } from '../../helpers/dashboard.ts';
import { mostBuffered, RawSocket, soon } from '../../helpers/door.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

t.setTimeout(60_000);

const host = 'Host: 127.0.0.1\r\n';

/** What is sent, and how the answer begins; empty for none. */
const refused: Record<string, [string, RegExp]> = {
  garbage: ['\x16\x03\x01\x00\xa5\x01\x00\x00', /^HTTP\/1\.1 400 /],
  'HTTP 0.9': ['GET /\r\n\r\n', /^HTTP\/1\.1 400 /],
  'HTTP 2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
  'no Host': ['GET / HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  'an empty Host': ['GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  'another Host': ['GET / HTTP/1.1\r\nHost: evil.example.org\r\n\r\n', /^HTTP\/1\.1 403 /],
  'a Host with more in it': ['GET / HTTP/1.1\r\nHost: evil@127.0.0.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  'huge headers': [`GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  'many headers': [`GET / HTTP/1.1\r\n${host}${'X: x\r\n'.repeat(5_000)}\r\n`, /^HTTP\/1\.1 431 /],
  'a huge URL': [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 431 /],
  CONNECT: [`CONNECT 127.0.0.1:22 HTTP/1.1\r\n${host}\r\n`, /^$/],
  'a URL of its own': [
    'GET http://evil.example.org/ HTTP/1.1\r\nHost: evil.example.org\r\n\r\n',
    /^HTTP\/1\.1 403 /,
  ],
  'a URL of ours in full': [
    `GET http://127.0.0.1/ HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
    /^HTTP\/1\.1 404 /,
  ],
  'a path that climbs': [`GET /../../package.json HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 404 /],
  'a path that climbs in code': [`GET /%2e%2e/package.json HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 404 /],
  'an upgrade': [
    `GET /live HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    /^HTTP\/1\.1 401 /,
  ],
  'a body': [`GET / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, /^HTTP\/1\.1 400 /],
  'a body without end': [`GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`, /^HTTP\/1\.1 400 /],
  'a body that waits to be asked for': [
    `GET / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
    /^HTTP\/1\.1 (100 Continue\r\n\r\nHTTP\/1\.1 )?400 /,
  ],
  'two lengths': [
    `GET / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  'a header in two lines': [
    `GET / HTTP/1.1\r\n${host}X: y\r\n z\r\n\r\n`,
    /^HTTP\/1\.1 40[04] |^HTTP\/1\.1 200 /,
  ],
  'a token in the URL': [`GET /live?token=${siteToken} HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 401 /],
};

t.test('what is no request for the page is refused in one line, and the connection ends', async (t) => {
  const { port } = await playedSite(t, { token: siteToken });
  for (const [name, [bytes, answer]] of Object.entries(refused)) {
    const raw = new RawSocket(t, port).write(bytes);
    // A request that is allowed leaves the connection open; all of these but one are not.
    if (name === 'a header in two lines') await soon(() => raw.received.length > 0 || raw.isClosed);
    else await raw.closed();
    const text = raw.received.toString('latin1');
    t.match(text, answer, name);
    t.notMatch(text, siteToken, name);
  }
  t.equal((await fetched(port, '/healthz')).status, 200);
});

t.test('requests in a row without waiting for answers are cut, before they cost anything', async (t) => {
  const { port, live } = await playedSite(t);
  const one = `GET /model HTTP/1.1\r\n${host}\r\n`;
  const raw = new RawSocket(t, port).write(one.repeat(1000));
  await raw.closed();
  t.ok(live.asked.flat <= 2, `${live.asked.flat} copies`);
  const after = new RawSocket(t, port).write(`GET /healthz HTTP/1.1\r\n${host}\r\n`);
  await soon(() => after.received.includes('ok\n'));
  after.write(`GET /healthz HTTP/1.1\r\n${host}\r\n`);
  await soon(() => after.received.toString().split('ok\n').length === 3);
  t.notOk(after.isClosed, 'one after the other they are welcome');
});

t.test('a body that is sent nevertheless is not taken', async (t) => {
  const { port } = await playedSite(t);
  const raw = new RawSocket(t, port).write(`POST / HTTP/1.1\r\n${host}Content-Length: ${2 ** 40}\r\n\r\n`);
  const taken = await raw.flood();
  t.ok(taken < mostBuffered, `${taken} bytes were taken`);
  await raw.closed();
  t.match(raw.received.toString(), /^HTTP\/1\.1 405 |^$/);
});

t.test('who is slow with the request is cut', async (t) => {
  const { port } = await playedSite(t);
  const silent = new RawSocket(t, port);
  const dripping = new RawSocket(t, port).write(`GET / HTTP/1.1\r\n${host}`);
  const timer = setInterval(() => dripping.write('X: x\r\n'), 100);
  t.teardown(() => clearInterval(timer));
  const texts = await Promise.all([silent.closed(), dripping.closed()]);
  for (const text of texts) t.match(text, /^(HTTP\/1\.1 408 |$)/);
});

t.test('who takes nothing of what it is sent is cut, others go on', async (t) => {
  const { port, live } = await playedSite(t, { stalledMs: 1_500 });
  // More than the system ever keeps for two ends of a connection.
  live.vector = new Float32Array(mostBuffered / 4);
  const cut = firstClosing(t, port);
  const raw = await new RawSocket(t, port).connected();
  raw.socket.pause();
  raw.write(`GET /model HTTP/1.1\r\n${host}\r\n`);
  const reader = await FeedReader.open(t, port);
  await reader.first('now');
  const beginMs = performance.now();
  // Whoever takes nothing does not see that it is cut either, so the other end is asked.
  await cut;
  t.comment(`it was cut after ${Math.round(performance.now() - beginMs)} ms`);
  const told = reader.messages.length;
  await reader.until(({ messages }) => messages.length > told);
  t.notOk(reader.isEnded, 'who reads stays');
  raw.socket.resume();
  await raw.closed();
  t.ok(raw.received.length < live.vector.byteLength, 'it was cut before its end');
});

t.test('who takes a copy of the model a byte at a time does not keep it for ever', async (t) => {
  const clock = new ManualClock();
  const { port, live } = await playedSite(t, { clock });
  live.vector = new Float32Array(8 * 2 ** 20);
  const seconds = 30 + live.vector.byteLength / 2 ** 17;
  const readers = [1, 2].map((steps) => {
    live.steps = steps;
    return new RawSocket(t, port).write(`GET /model HTTP/1.1\r\n${host}\r\n`);
  });
  for (const { socket } of readers) socket.pause();
  await soon(() => clock.waiting === 2);
  clock.advance(1000 * seconds - 1);
  t.equal(clock.waiting, 2);
  clock.advance(1);
  for (const raw of readers) {
    raw.socket.resume();
    await raw.closed();
    t.ok(raw.received.length < live.vector.byteLength, 'it was cut before its end');
  }
  live.steps = 3;
  live.vector = new Float32Array(10);
  t.equal((await fetched(port, '/model')).headers['x-lockstep-steps'], '3', 'there is room for a new one');
  await soon(() => clock.waiting === 0);
});

/** Waits until the site's end of the first connection to a port from now on closes. */
function firstClosing(t: Test, port: number): Promise<void> {
  return new Promise((resolve) => {
    const accepted = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      if (socket.localPort !== port) return;
      unsubscribe('net.server.socket', accepted);
      socket.once('close', () => resolve());
    };
    subscribe('net.server.socket', accepted);
    t.teardown(() => unsubscribe('net.server.socket', accepted));
  });
}

for (const isSecure of [false, true]) {
  const how = isSecure ? 'under TLS' : 'in the open';
  t.test(`who reads slowly, but reads, gets all of it, ${how}`, async (t) => {
    const tls = isSecure ? await newIdentity() : null;
    const stalledMs = 1_000;
    const { port, live } = await playedSite(t, { tls, stalledMs });
    // More than the system buffers.
    live.vector = new Float32Array(4 * 2 ** 20);
    const beginMs = performance.now();
    const taken = await new Promise<number>((resolve, reject) => {
      const options = { port, host: '127.0.0.1', path: '/model', agent: false };
      const read = async (response: IncomingMessage): Promise<void> => {
        let bytes = 0;
        for await (const piece of response) {
          bytes += (piece as Buffer).length;
          await new Promise((resolve) => setTimeout(resolve, isSecure ? 3 : 10));
        }
        resolve(bytes);
      };
      const answered = (response: IncomingMessage): void => {
        read(response).catch(reject);
      };
      const sent = isSecure
        ? getSecurely({ ...options, rejectUnauthorized: false }, answered)
        : get(options, answered);
      sent.on('error', reject);
    });
    t.equal(taken, live.vector.byteLength);
    t.ok(performance.now() - beginMs > stalledMs, 'it took longer than one who has stopped is given');
  });
}

t.test(
  'the oldest of too many connections goes; a reader of the stream stays, a newcomer is served',
  async (t) => {
    const { port } = await playedSite(t);
    const reader = await FeedReader.open(t, port);
    await reader.first('now');
    const silent: RawSocket[] = [];
    for (let i = 0; i < mostConnections + 20; i++) silent.push(await new RawSocket(t, port).connected());
    await soon(() => silent.filter(({ isClosed }) => isClosed).length >= 20);
    t.equal((await fetched(port, '/healthz')).status, 200);
    const gone = silent.map(({ isClosed }) => isClosed);
    t.notOk(gone.includes(true, gone.lastIndexOf(true) + 1));
    t.ok(gone.slice(0, 20).every(Boolean), 'the oldest');
    t.notOk(gone.at(-1), 'and not the newest');
    t.notOk(reader.isEnded);
  },
);
