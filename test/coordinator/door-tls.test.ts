/** Strangers at a door with TLS, which get no further than those without. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { answerTimeoutMs, headersTimeoutMs } from '../../shared/wire/limits.ts';
import { connect } from '../../worker/connect.ts';
import { newIdentity } from '../helpers/certificates.ts';
import {
  linked,
  RawSocket,
  soon,
  Told,
  testDoor,
  toConnect,
  token,
  upgradeRequest,
} from '../helpers/door.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const tls = await newIdentity();

t.test('who stops in the middle of a handshake is cut at the deadline', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock, tls });
  const silent = new RawSocket(t, door.port);
  await soon(() => clock.waiting === 1);
  const halfway = new RawSocket(t, door.port).write(Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252));
  await soon(() => clock.waiting === 2);
  clock.advance(headersTimeoutMs);
  t.equal(await silent.closed(), '');
  t.equal(await halfway.closed(), '');
});

t.test('who finishes the handshake and says no more is cut at the same deadline', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock, tls });
  const socket = connectTls({ port: door.port, host: '127.0.0.1', ca: tls.cert });
  socket.on('error', () => {}); // being cut is what the test waits for
  await once(socket, 'secureConnect');
  t.equal(socket.getProtocol(), 'TLSv1.3');
  socket.write(upgradeRequest('/control').slice(0, 30));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  clock.advance(headersTimeoutMs);
  await closed;
  t.match(door.lines, [/refused: no request with the token within 5000 ms$/]);
});

t.test('a handshake that is none, and an old TLS, are refused with a line in the log', async (t) => {
  const door = await testDoor(t, { tls });
  const noise = new RawSocket(t, door.port).write(
    Uint8Array.from({ length: 100 }, (_, i) => (i === 0 ? 22 : 0xee)),
  );
  await noise.closed();
  t.match(door.lines[0], /^127\.0\.0\.1:\d+ refused: no TLS connection \(.+\)$/);
  const old = connectTls({ port: door.port, host: '127.0.0.1', ca: tls.cert, maxVersion: 'TLSv1.2' });
  const [error] = await once(old, 'error');
  t.match(error.code, /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION|^ERR_SSL/);
  await soon(() => door.lines.length === 2);
  t.match(door.lines[1], /refused: no TLS connection/);
});

t.test('who finds another certificate than it expects leaves a line in the log', async (t) => {
  const door = await testDoor(t, { tls });
  for (const fingerprint of [`sha256:${'0'.repeat(64)}`, null]) {
    await t.rejects(connect({ ...toConnect(door, new Told()), fingerprint }), { code: 'REFUSED' });
  }
  await soon(() => door.lines.length === 2);
  for (const line of door.lines) {
    t.match(
      line,
      /^127\.0\.0\.1:\d+ closed under TLS without a request: does it expect another certificate\?$/,
    );
  }
  const { worker } = await linked(t, door, { fingerprint: tls.fingerprint });
  worker.destroy();
  const socket = connectTls({ port: door.port, host: '127.0.0.1', ca: tls.cert });
  socket.on('error', () => {}); // it is cut when the door is closed
  await once(socket, 'secureConnect');
  await door.close('the test is over');
  t.equal(door.lines.length, 2, 'who has asked for something, or is sent away, has none');
});

t.test('a wrong token gets its line inside of TLS', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock, tls });
  const socket = connectTls({ port: door.port, host: '127.0.0.1', ca: tls.cert });
  let answer = '';
  socket.on('data', (data) => {
    answer += data;
  });
  socket.on('error', () => {}); // a reset may follow the answer
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(upgradeRequest('/control', { Authorization: 'Bearer nonsense' }));
  await soon(() => answer.endsWith('\n'));
  clock.advance(answerTimeoutMs);
  await closed;
  t.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n[\s\S]*\r\n\r\nwrong token; set LOCKSTEP_TOKEN/);
  t.notMatch(door.lines.join() + answer, token);
});

t.test('a closed door leaves nothing under TLS either', async (t) => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)/.test(name)).length;
  await soon(() => sockets() === 0); // of the test before
  const door = await testDoor(t, { tls });
  const { toldWorker } = await linked(t, door, { fingerprint: tls.fingerprint });
  const stranger = await new RawSocket(t, door.port).connected();
  await door.close('the run is over');
  t.equal(await toldWorker.end(), 'the run is over');
  await stranger.closed();
  await soon(() => sockets() === 0);
});
