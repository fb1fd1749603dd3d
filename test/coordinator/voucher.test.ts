/** What strangers get who ask the door whether its certificate is the coordinator's. */
import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { answerTimeoutMs, headersTimeoutMs, mostStrangers } from '../../shared/wire/limits.ts';
import { VouchingKey } from '../../shared/wire/vouching.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { RawSocket, token as short, soon, testDoor, upgradeRequest } from '../helpers/door.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const tls = await newIdentity();
const token = 'a3f1c09e5b7d42688e1f6c0d9b2a4735';
const key = new VouchingKey(token);
const nonce = '0123456789abcdef'.repeat(4);

function question(headers: Readonly<Record<string, string>> = {}, first = 'GET /vouch'): string {
  const all = { Host: '127.0.0.1', 'Lockstep-Nonce': nonce, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${first} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Sends bytes through TLS, and gives all that comes back until the end. */
async function ask(t: Test, port: number, bytes: string): Promise<string> {
  const socket = open(t, port);
  let answer = '';
  socket.setEncoding('latin1').on('data', (piece) => {
    answer += piece;
  });
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

function open(t: Test, port: number): TLSSocket {
  const socket = connectTls({ port, host: '127.0.0.1', ca: tls.cert });
  socket.on('error', () => {}); // it may be cut
  t.teardown(() => socket.destroy());
  return socket;
}

t.test(
  'who asks gets the proof for its nonce and for the certificate that is shown, and nothing more',
  async (t) => {
    const door = await testDoor(t, { tls, token });
    const answer = await ask(t, door.port, question());
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/);
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    t.equal(body, `41\r\n${key.proofOf(nonce, tls.fingerprint)}\n\r\n0\r\n\r\n`, 'one chunk of 65 bytes');
    t.ok(answer.includes(key.proofOf(nonce, tls.fingerprint)));
    t.notOk(answer.includes(token));
    t.same(door.lines, [], 'nobody was refused');
  },
);

t.test('what is no question gets one line, and another in the log', async (t) => {
  const door = await testDoor(t, { tls, token });
  const wrong = [
    question({ 'Lockstep-Nonce': 'short' }),
    question({ 'Lockstep-Nonce': nonce.toUpperCase() }),
    question({ 'Lockstep-Nonce': `${nonce}0` }),
    question({}, 'POST /vouch'),
    `GET /vouch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
  ];
  for (const bytes of wrong) {
    const answer = await ask(t, door.port, bytes);
    t.match(answer, /^HTTP\/1\.1 400 /);
    t.match(answer, /expected GET with 64 hexadecimal digits in lockstep-nonce\n/);
    t.notMatch(answer, /\b[0-9a-f]{64}\b/);
  }
  t.equal(door.lines.length, wrong.length);
  t.match(await ask(t, door.port, question({ Host: 'example.org' })), /^HTTP\/1\.1 403 [\s\S]*--host-name/);
  t.match(await ask(t, door.port, question({}, 'GET /vouch/')), /^HTTP\/1\.1 404 /);
  for (const line of door.lines) t.match(line, /^127\.0\.0\.1:\d+ refused: \P{Cc}+$/u);
});

t.test('a token that could be guessed vouches for nothing', async (t) => {
  const door = await testDoor(t, { tls, token: short });
  const answer = await ask(t, door.port, question());
  t.match(answer, /^HTTP\/1\.1 403 [\s\S]*could be guessed, and vouches for nothing; pass --fingerprint/);
  t.notMatch(answer, /\b[0-9a-f]{64}\b/);
  t.match(door.lines, [/refused: the coordinator's token could be guessed/]);
});

t.test('in the open nobody vouches', async (t) => {
  const door = await testDoor(t, { token });
  const raw = new RawSocket(t, door.port).write(question());
  t.match(await raw.closed(), /^HTTP\/1\.1 404 /);
  t.match(door.lines, [/refused: a request for a page/]);
});

t.test('who asks stays a stranger: it is cut at the deadline, and cannot go on to an upgrade', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { tls, token, clock });
  const slow = open(t, door.port);
  await once(slow, 'secureConnect');
  slow.write(question().slice(0, -3));
  const closed = new Promise((resolve) => slow.once('close', resolve));
  await soon(() => clock.waiting >= 1);
  clock.advance(headersTimeoutMs);
  await closed;
  t.match(door.lines, [/refused: no request with the token within 5000 ms$/]);

  const both = open(t, door.port);
  let answer = '';
  both.on('data', (data) => {
    answer += data;
  });
  const ended = new Promise((resolve) => both.once('close', resolve));
  both.write(question() + upgradeRequest('/control', { Authorization: `Bearer ${token}` }));
  await soon(() => answer.includes(key.proofOf(nonce, tls.fingerprint)));
  clock.advance(Math.max(answerTimeoutMs, headersTimeoutMs));
  await ended;
  t.notMatch(answer, / 101 /);
  t.equal(door.arrivals.length, 0);
});

t.test('hundreds of questions leave nothing behind', async (t) => {
  const door = await testDoor(t, { tls, token });
  for (let i = 0; i < 5; i++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(t, door.port, question())));
    t.ok(answers.every((answer) => answer.includes(key.proofOf(nonce, tls.fingerprint))));
  }
  t.same(door.lines, []);
});

t.test(
  'a flood of questions without an end is cut at the limit of strangers, and the next is answered',
  async (t) => {
    const door = await testDoor(t, { tls, token });
    let cut = 0;
    for (let i = 0; i < mostStrangers + 20; i++) {
      const socket = open(t, door.port);
      socket.once('close', () => {
        cut += 1;
      });
      await once(socket, 'secureConnect');
      socket.write(question().slice(0, -3));
    }
    await soon(() => cut === 20);
    t.match(await ask(t, door.port, question()), key.proofOf(nonce, tls.fingerprint));
    t.equal(door.arrivals.length, 0);
  },
);
