/** Workers that were told no fingerprint, and all who may stand where they expect their coordinator. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { ToWorker } from '../../shared/wire/messages.ts';
import { VouchingKey } from '../../shared/wire/vouching.ts';
import { type ConnectOptions, connect } from '../../worker/connect.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { linked, Told, testDoor, toConnect } from '../helpers/door.ts';
import { rejection } from '../helpers/rejection.ts';

const own = await newIdentity();
const others = await newIdentity();
const token = 'a3f1c09e5b7d42688e1f6c0d9b2a4735';
const key = new VouchingKey(token);

async function listening(t: Test, server: Server): Promise<string> {
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
  return `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function attempt(url: string, options: Partial<ConnectOptions> = {}) {
  return connect({ ...toConnect({ url }, new Told<ToWorker>()), token, ...options });
}

/** Somebody with a certificate of its own, who does something with what comes. */
function impostor(act: (socket: Socket, question: string) => void, seen: string[] = []): Server {
  const server = createTls(others, (socket) => {
    socket.on('error', () => {}); // the worker may leave as it likes
    let question = '';
    socket.on('data', (data) => {
      seen.push(String(data));
      question += data;
      if (question.endsWith('\r\n\r\n')) act(socket, question);
    });
  });
  server.on('tlsClientError', () => {}); // the worker may leave in the handshake, too
  return server;
}

const answer = (body: string) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
const nonceIn = (question: string) => /lockstep-nonce: (\w+)/i.exec(question)?.[1] ?? '';
const stranger =
  /its certificate is not trusted here: who shows it does not know the token; .* Nothing was sent$/;

t.test(
  'a worker without a fingerprint comes in by what the token vouches for, over both connections',
  async (t) => {
    const door = await testDoor(t, { tls: own, token });
    const { worker, toldWorker } = await linked(t, door, { token });
    t.same(toldWorker.closings, []);
    t.equal(worker.address, `127.0.0.1:${door.port}`);
    t.same(door.lines, [], 'and nobody was refused');
  },
);

t.test('a wrong token is refused before it is sent', async (t) => {
  const door = await testDoor(t, { tls: own, token });
  const line = await rejection(attempt(door.url, { token: token.toUpperCase() }), 'REFUSED');
  t.match(line, stranger);
  t.equal(door.arrivals.length, 0);
});

t.test(
  'somebody in between who passes everything on has another certificate, and learns nothing',
  async (t) => {
    const door = await testDoor(t, { tls: own, token });
    const seen: string[] = [];
    let passed = 0;
    const relay = impostor((socket, question) => {
      const there = connectTls({ port: door.port, host: '127.0.0.1', rejectUnauthorized: false });
      there.on('error', () => {}); // the door may end it
      there.on('data', () => {
        passed += 1;
      });
      there.write(question);
      there.pipe(socket);
    }, seen);
    t.match(await rejection(attempt(await listening(t, relay)), 'REFUSED'), stranger);
    t.ok(passed > 0, 'the coordinator has answered');
    t.equal(seen.length, 1);
    t.match(seen[0], /^GET \/vouch HTTP\/1\.1\r\n/);
    t.notMatch(seen.join(), token);
    t.notMatch(seen.join(), /authorization/i);
    t.equal(door.arrivals.length, 0);
  },
);

t.test('a proof for another nonce, for another certificate or under another token is none', async (t) => {
  const old = key.proofOf('a'.repeat(64), others.fingerprint);
  const forged: Record<string, (nonce: string) => string> = {
    'one that was seen before': () => old,
    'one for the right certificate, which it does not have': (nonce) => key.proofOf(nonce, own.fingerprint),
    'one under a guess': (nonce) => new VouchingKey('password').proofOf(nonce, others.fingerprint),
    'the nonce itself': (nonce) => nonce,
    'as many characters, of more bytes': () => `${'0'.repeat(63)}\xff`,
    nothing: () => '',
  };
  for (const [name, proof] of Object.entries(forged)) {
    const server = impostor((socket, question) => socket.end(answer(proof(nonceIn(question)))));
    t.match(await rejection(attempt(await listening(t, server)), 'REFUSED'), stranger, name);
  }
  const knowing = impostor((socket, question) => {
    if (question.startsWith('GET /vouch '))
      socket.end(answer(key.proofOf(nonceIn(question), others.fingerprint)));
    else socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n');
  });
  const line = await rejection(attempt(await listening(t, knowing)), 'REFUSED');
  t.match(line, /got HTTP 418/, 'with the right one, all else is said to whoever knows the token');
});

t.test('who was vouched for is not replaced by the next connection', async (t) => {
  const door = await testDoor(t, { tls: own, token });
  const seen: string[] = [];
  const impostorUrl = await listening(
    t,
    impostor(() => {}, seen),
  );
  let connections = 0;
  const crossing = createServer((socket) => {
    connections += 1;
    const port = connections === 1 ? door.port : Number(new URL(impostorUrl).port);
    const there = connectTcp({ port, host: '127.0.0.1' });
    there.on('error', () => {}); // either end may leave
    socket.pipe(there).pipe(socket);
  });
  const line = await rejection(attempt(await listening(t, crossing)), 'REFUSED');
  t.equal(connections, 2);
  t.match(line, `its certificate is another one: got ${others.fingerprint}, expected ${own.fingerprint}`);
  t.same(seen, [], 'which was told nothing');
});

t.test('a fingerprint that is given counts, whatever the token would vouch for', async (t) => {
  const door = await testDoor(t, { tls: own, token });
  const line = await rejection(attempt(door.url, { fingerprint: others.fingerprint }), 'REFUSED');
  t.match(line, 'its certificate is another one');
});

t.test('with a token that could be guessed nothing is asked', async (t) => {
  const seen: string[] = [];
  const server = impostor((socket) => socket.destroy(), seen);
  const line = await rejection(attempt(await listening(t, server), { token: 'password' }), 'REFUSED');
  t.match(line, /not trusted here \(.+\); pass --fingerprint as the coordinator printed it, or give both/);
  t.same(seen, []);
});

t.test('a coordinator that does not vouch is refused with its line', async (t) => {
  const weak = await testDoor(t, { tls: own, token: 'password' });
  t.match(
    await rejection(attempt(weak.url), 'REFUSED'),
    /got HTTP 403 "the coordinator's token could be guessed/,
  );
  const server = impostor((socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n\u001b[2Jnot here\n'));
  const line = await rejection(attempt(await listening(t, server)), 'REFUSED');
  t.match(
    line,
    /got HTTP 404 "\[2Jnot here", expected a coordinator that vouches for it; pass --fingerprint/,
  );
});

t.test('answers without an end, too slow or broken end at the deadline or at once', async (t) => {
  const drip = impostor((socket) => {
    const bytes = answer('0'.repeat(64));
    let i = 0;
    const timer = setInterval(() => socket.write(bytes[i++ % bytes.length]), 50);
    socket.once('close', () => clearInterval(timer));
  });
  const slow = await rejection(attempt(await listening(t, drip), { timeoutMs: 500 }), 'CONNECTION');
  t.match(slow, /no answer within 500 ms/);
  const dripBody = impostor((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const timer = setInterval(() => socket.write('0'), 50);
    socket.once('close', () => clearInterval(timer));
  });
  t.match(
    await rejection(attempt(await listening(t, dripBody), { timeoutMs: 500 }), 'CONNECTION'),
    /no answer within 500 ms/,
  );
  const silent = impostor(() => {});
  await rejection(attempt(await listening(t, silent), { timeoutMs: 300 }), 'CONNECTION');
  const flood = impostor((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const more = () => {
      while (!socket.destroyed && socket.write('0'.repeat(65_536)));
    };
    socket.on('drain', more);
    more();
  });
  t.match(await rejection(attempt(await listening(t, flood)), 'REFUSED'), stranger, 'a flood is not read');
  const headers = impostor((socket) => socket.write(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(100_000)}`));
  await rejection(attempt(await listening(t, headers)), 'REFUSED');
  const cut = impostor((socket) => socket.destroy());
  t.match(await rejection(attempt(await listening(t, cut)), 'CONNECTION'), /the connection was cut/);
  const upgrade = impostor((socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  );
  t.match(await rejection(attempt(await listening(t, upgrade)), 'CONNECTION'), /the connection was cut/);
});
