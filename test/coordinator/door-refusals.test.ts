/** Who is not let in: what it is told, and what the log says. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { viewingTokenOf } from '../../coordinator/admission.ts';
import { ownIdentity } from '../../coordinator/certificate.ts';
import { headersBytes, mostStrangers } from '../../shared/wire/limits.ts';
import { RawSocket, soon, testDoor, token, upgraded, upgradeRequest } from '../helpers/door.ts';

const other = 'not-the-token-at-all';

/** What is sent, the status, and the line of the answer. */
const refused: Record<string, [string, number, RegExp]> = {
  'no token': [upgradeRequest('/control', { Authorization: null }), 401, /^no token; set LOCKSTEP_TOKEN to/],
  'an empty token': [
    upgradeRequest('/control', { Authorization: '' }),
    401,
    /^wrong token; set LOCKSTEP_TOKEN/,
  ],
  'another token': [
    upgradeRequest('/control', { Authorization: `Bearer ${other}` }),
    401,
    /^wrong token; set/,
  ],
  'a token that begins rightly': [
    upgradeRequest('/control', { Authorization: `Bearer ${token.slice(0, -1)}` }),
    401,
    /^wrong token; set/,
  ],
  'the token of who looks at the page': [
    upgradeRequest('/control', { Authorization: `Bearer ${viewingTokenOf(token)}` }),
    401,
    /^wrong token; set/,
  ],
  'another way to authorize': [
    upgradeRequest('/control', { Authorization: `Basic ${token}` }),
    401,
    /^wrong token/,
  ],
  'a token in the URL': [
    upgradeRequest(`/control?token=${token}`, { Authorization: null }),
    404,
    /^unknown path; expected \/control or \/bulk$/,
  ],
  'another path': [upgradeRequest('/'), 404, /^unknown path/],
  'a path that climbs': [upgradeRequest('/control/../bulk'), 404, /^unknown path/],
  'bulk without a ticket': [
    upgradeRequest('/bulk'),
    401,
    /^no ticket that is expected; connect to \/control/,
  ],
  'bulk with a ticket of nobody': [
    upgradeRequest('/bulk', { 'lockstep-ticket': '0'.repeat(32) }),
    401,
    /^no ticket/,
  ],
  'bulk with a ticket that every object has': [
    upgradeRequest('/bulk', { 'lockstep-ticket': '__proto__' }),
    401,
    /^no ticket/,
  ],
  'a page of a stranger': [
    upgradeRequest('/control', { Origin: 'http://evil.example' }),
    403,
    /^Origin: got "http:\/\/evil\.example", expected none or "127\.0\.0\.1"$/,
  ],
  'a page without an origin': [upgradeRequest('/control', { Origin: 'null' }), 403, /^Origin: got "null"/],
  'a name that is not ours': [
    upgradeRequest('/control', { Host: 'evil.example' }),
    403,
    /^Host: got "evil\.example", expected a name or an address of this machine; use one, or start the coordinator with --host-name evil\.example$/,
  ],
  'an address that is not ours': [upgradeRequest('/control', { Host: '192.0.2.1' }), 403, /^Host: got "192/],
  'a host that is none': [upgradeRequest('/control', { Host: 'a b' }), 400, /^Host: got "a b"/],
  'a host with a password': [upgradeRequest('/control', { Host: 'a:b@localhost' }), 400, /^Host: got "a:b@/],
  'an upgrade to something else': [
    upgradeRequest('/control', { Upgrade: 'h2c' }),
    400,
    /^Invalid Upgrade header$/,
  ],
  'an upgrade without a key': [
    upgradeRequest('/control', { 'Sec-WebSocket-Key': null }),
    400,
    /^Missing or invalid Sec-WebSocket-Key header$/,
  ],
  'an old WebSocket': [
    upgradeRequest('/control', { 'Sec-WebSocket-Version': '7' }),
    400,
    /^Missing or invalid Sec-WebSocket-Version header$/,
  ],
  'an upgrade by POST': [upgradeRequest('/control').replace('GET', 'POST'), 400, /^Invalid HTTP method$/],
  'no HTTP': ['\x00\x01\x02 hello\r\n\r\n', 400, /^no request that can be read \(Parse Error: /],
  'headers without end': [
    `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(9_000)}`,
    431,
    /^no request that can be read \(Parse Error: Header overflow\)$/,
  ],
  'TLS where there is none': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, /^no request/],
};

for (const [what, [request, status, line]] of Object.entries(refused)) {
  t.test(`${what} is refused with a line, and the log names it`, async (t) => {
    const door = await testDoor(t);
    const raw = await new RawSocket(t, door.port).connected();
    const address = `127.0.0.1:${raw.socket.localPort}`;
    const answer = await raw.write(request).closed();
    const [head, body] = answer.split('\r\n\r\n');
    t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    t.match(head, /^connection: close$/im);
    t.match(head, /^content-type: text\/plain/im);
    t.match(body.trimEnd(), line);
    t.equal(body.trimEnd().split('\n').length, 1, 'one line');
    t.same(door.lines, [`${address} refused: ${body.trimEnd()}`]);
    t.notMatch(door.lines.join() + answer, new RegExp(`${token}|${other}`), 'no token is shown');
    t.same(door.arrivals, [], 'nobody was let in');
  });
}

t.test('what asks for a page gets a short answer and no more than one', async (t) => {
  const door = await testDoor(t);
  const request = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
  const raw = new RawSocket(t, door.port).write(request + request + upgradeRequest('/control'));
  const answer = await raw.closed();
  t.match(
    answer,
    /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*not here; this is where workers of Lockstep connect\n/,
  );
  t.notMatch(answer, / 101 /);
  t.same(door.arrivals, []);
});

t.test('headers may be as long as their limit, and not longer', async (t) => {
  const door = await testDoor(t);
  const request = (bytes: number) => {
    const rest = upgradeRequest('/control', { X: '' }).length;
    return upgradeRequest('/control', { X: 'x'.repeat(bytes - rest) });
  };
  // What counts is names and values, and how they are told apart is not exact to the byte.
  const raw = new RawSocket(t, door.port).write(request(headersBytes - 64));
  await soon(() => raw.received.length > 0);
  t.match(raw.received.toString(), /^HTTP\/1\.1 101 /);
  t.match(await new RawSocket(t, door.port).write(request(headersBytes + 64)).closed(), /^HTTP\/1\.1 431 /);
});

t.test('a large body is not read', async (t) => {
  const door = await testDoor(t);
  const raw = new RawSocket(t, door.port);
  raw
    .write('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n')
    .write('x'.repeat(100_000));
  t.match(await raw.closed(), /^HTTP\/1\.1 404 /);
});

const welcome: Record<string, Record<string, string>> = {
  'localhost and a port': { Host: 'localhost:7077' },
  'a name below localhost': { Host: 'a.localhost' },
  'IPv6 loopback': { Host: '[::1]:7077' },
  'a name that the user gave, in any case': { Host: 'Trainer.Example:7077' },
  'a page of its own': { Host: '127.0.0.1:7077', Origin: 'http://127.0.0.1:7077' },
};

for (const [what, headers] of Object.entries(welcome)) {
  t.test(`${what} is let in`, async (t) => {
    const door = await testDoor(t, { names: ['trainer.example'] });
    await upgraded(t, door.port, '/control', headers);
    t.equal(door.arrivals.length, 1);
    t.same(door.lines, []);
  });
}

t.test('names of the certificate let in, also those one level below', async (t) => {
  const folder = t.testdir();
  const tls = await ownIdentity(folder, ['trainer.example', '*.gpu.example']);
  const door = await testDoor(t, { tls });
  for (const [host, isIn] of [
    ['trainer.example:7077', true],
    ['a.gpu.example', true],
    ['a.b.gpu.example', false],
    ['gpu.example', false],
    ['other.example', false],
  ] as const) {
    const socket = connectTls({ port: door.port, host: '127.0.0.1', ca: tls.cert, servername: '' });
    socket.on('error', () => {}); // a reset may follow the answer
    socket.write(upgradeRequest('/control', { Host: host }));
    const [answer] = await once(socket, 'data');
    t.match(String(answer), isIn ? /^HTTP\/1\.1 101 / : /^HTTP\/1\.1 403 /, host);
    socket.destroy();
  }
});

t.test('a token of any printable characters lets in', async (t) => {
  const strange = ' pass wörd: %41 "✓" ';
  const door = await testDoor(t, { token: strange });
  await upgraded(t, door.port, '/control', { Authorization: `Bearer ${encodeURIComponent(strange)}` });
  t.equal(door.arrivals.length, 1);
});

t.test('a flood of refusals becomes ten lines a second and a count', async (t) => {
  const door = await testDoor(t);
  const sockets = Array.from({ length: 40 }, () => new RawSocket(t, door.port).write('nonsense\r\n\r\n'));
  for (const raw of sockets) await raw.closed();
  t.ok(door.lines.length < 40, `${door.lines.length} lines`);
  await door.close('enough');
  t.match(door.lines.at(-1), /^\d+ more refused within a second$/);
  const counted = door.lines.map((line) => Number(/^(\d+) more/.exec(line)?.[1] ?? 1));
  t.equal(
    counted.reduce((a, b) => a + b, 0),
    40,
    'none is forgotten',
  );
});

t.test('when there are too many strangers the oldest is cut, and newcomers come in', async (t) => {
  const door = await testDoor(t);
  const strangers: RawSocket[] = [];
  for (let i = 0; i < mostStrangers; i++) {
    strangers.push(await new RawSocket(t, door.port).connected());
  }
  // Those with the token take no place.
  for (let i = 0; i < 3; i++) await upgraded(t, door.port);
  // The three took one each while they came, and so the three oldest are gone.
  await soon(() => strangers.filter(({ isClosed }) => isClosed).length === 1);
  t.ok(strangers[0].isClosed, 'the oldest');
  const late = await new RawSocket(t, door.port).connected();
  t.match(
    door.lines[0],
    /^127\.0\.0\.1:\d+ refused: the oldest of more than 64 connections without the token$/,
  );
  t.equal(door.arrivals.length, 3);
  t.ok(
    door.arrivals.every(({ told }) => told.closings.length === 0),
    'workers stay',
  );
  t.notOk(late.isClosed);
});
