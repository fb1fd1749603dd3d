/** Who is too slow, and what is left when the door is closed. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { openDoor } from '../../coordinator/door.ts';
import { listenAt } from '../../coordinator/listen.ts';
import { encodeMessage } from '../../shared/wire/codec.ts';
import {
  answerTimeoutMs,
  expelTimeoutMs,
  headersTimeoutMs,
  helloTimeoutMs,
} from '../../shared/wire/limits.ts';
import {
  closeFrame,
  hello,
  linked,
  mostBuffered,
  RawSocket,
  soon,
  testDoor,
  token,
  upgraded,
  upgradeRequest,
  webSocketFrame,
} from '../helpers/door.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

t.test('who says nothing or drips is cut at the deadline of its headers', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const silent = new RawSocket(t, door.port);
  await soon(() => clock.waiting === 1);
  const slow = new RawSocket(t, door.port);
  await soon(() => clock.waiting === 2);
  for (const letter of upgradeRequest('/control').slice(0, 40)) {
    clock.advance(100);
    slow.write(letter);
  }
  t.notOk(silent.isClosed || slow.isClosed);
  clock.advance(headersTimeoutMs - 4_000);
  t.equal(await silent.closed(), '');
  t.equal(await slow.closed(), '', 'bytes do not prolong it');
  t.same(
    door.lines.map((line) => line.replace(/^\S+ /, '')),
    Array(2).fill('refused: no request with the token within 5000 ms'),
  );
  t.equal(clock.waiting, 1, 'the log’s second');
});

t.test('who was refused and does not leave is cut soon, and nothing more of it is read', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const raw = new RawSocket(t, door.port, { allowHalfOpen: true });
  raw.write(upgradeRequest('/control', { Authorization: null }));
  await soon(() => raw.received.length > 0);
  const taken = await raw.flood();
  t.ok(raw.socket.writable && taken < mostBuffered, `${taken} bytes were taken`);
  clock.advance(answerTimeoutMs);
  t.match(await raw.closed(), /no token; set LOCKSTEP_TOKEN to the one that the coordinator printed\n$/);
  await soon(() => clock.waiting === 1); // the log's second
});

t.test('who does not say hello in time is told and cut', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const raw = await upgraded(t, door.port);
  clock.advance(helloTimeoutMs - 1);
  t.same(door.arrivals[0].told.closings, []);
  clock.advance(1);
  await soon(() => raw.received.length > 0);
  t.same(closeFrame(raw.received), { code: 1008, reason: 'no hello within 5000 ms' });
  t.notOk(raw.isClosed, 'the close is not answered');
  clock.advance(expelTimeoutMs);
  await raw.closed();
  t.equal(await door.arrivals[0].told.end(), 'no hello within 5000 ms');
  t.equal(clock.waiting, 0);
});

t.test('a hello in time ends the deadline', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const raw = (await upgraded(t, door.port)).write(webSocketFrame(encodeMessage(hello)));
  const { told } = await door.arrival(0);
  await told.until(({ messages }) => messages.length === 1);
  t.same(told.messages, [hello]);
  t.equal(clock.waiting, 0);
  clock.advance(helloTimeoutMs);
  t.notOk(raw.isClosed);
});

t.test('the bulk connection comes once, when it is expected, with the ticket', async (t) => {
  const door = await testDoor(t);
  const raw = (await upgraded(t, door.port)).write(webSocketFrame(encodeMessage(hello)));
  const { link, told } = await door.arrival(0);
  await told.until(({ messages }) => messages.length === 1);
  const knock = () =>
    new RawSocket(t, door.port).write(upgradeRequest('/bulk', { 'lockstep-ticket': link.ticket }));
  t.match(await knock().closed(), /^HTTP\/1\.1 401 /, 'not yet');
  link.expectBulk(1_000);
  t.notOk(link.hasBulk);
  knock();
  await told.until(({ hasBulk }) => hasBulk);
  t.ok(link.hasBulk);
  link.expectBulk(1_000);
  t.match(await knock().closed(), /^HTTP\/1\.1 401 /, 'not twice');
  raw.socket.destroy();
  await told.end();
  t.match(await knock().closed(), /^HTTP\/1\.1 401 /, 'not after the end');
  t.match(link.ticket, /^[0-9a-f]{32}$/);
});

t.test('who is welcome and does not open its bulk connection in time is told and cut', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const raw = (await upgraded(t, door.port)).write(webSocketFrame(encodeMessage(hello)));
  const { link, told } = await door.arrival(0);
  await told.until(({ messages }) => messages.length === 1);
  clock.advance(helloTimeoutMs);
  link.expectBulk(1_000);
  clock.advance(helloTimeoutMs - 1);
  t.same(told.closings, [], 'its time begins with the welcome');
  clock.advance(1);
  await soon(() => raw.received.length > 0);
  t.same(closeFrame(raw.received), { code: 1008, reason: 'no bulk connection within 5000 ms' });
  clock.advance(expelTimeoutMs);
  await raw.closed();
  t.equal(await told.end(), 'no bulk connection within 5000 ms');
  t.equal(clock.waiting, 0);
});

t.test('a bulk connection in time ends the deadline, and so does the end', async (t) => {
  const clock = new ManualClock();
  const door = await testDoor(t, { clock });
  const { toldCoordinator } = await linked(t, door);
  t.equal(clock.waiting, 0);
  clock.advance(helloTimeoutMs);
  t.same(toldCoordinator.closings, []);
  const raw = (await upgraded(t, door.port)).write(webSocketFrame(encodeMessage(hello)));
  const { link, told } = await door.arrival(1);
  await told.until(({ messages }) => messages.length === 1);
  link.expectBulk(1_000);
  t.equal(clock.waiting, 1);
  raw.socket.destroy();
  await told.end();
  t.equal(clock.waiting, 0);
});

t.test('a closed door lets all go with the reason, cuts strangers, and leaves nothing', async (t) => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await soon(() => sockets() === 0); // of the test before
  const timersBefore = timers();
  const clock = new ManualClock(); // which stands still: nobody goes for a deadline's sake
  const door = await testDoor(t, { clock });
  const one = await linked(t, door);
  const two = await linked(t, door);
  const stranger = await new RawSocket(t, door.port).connected();
  const halfway = await upgraded(t, door.port);
  halfway.socket.on('data', () => halfway.socket.destroy()); // at its close frame
  await door.close('the run is over');
  for (const { toldWorker, toldCoordinator } of [one, two]) {
    t.equal(await toldWorker.end(), 'the run is over');
    t.same(toldCoordinator.closings, ['the run is over'], 'told before the door is closed');
  }
  await stranger.closed();
  await soon(() => sockets() === 0);
  t.equal(timers(), timersBefore);
  t.equal(clock.waiting, 0);
  const refusedNow = new RawSocket(t, door.port);
  await refusedNow.closed();
  t.equal(refusedNow.socket.bytesRead, 0);
  await door.close('again');
});

t.test('a port that cannot be had is one line', async (t) => {
  const taken = createServer();
  const port = await listenAt(taken, { host: '127.0.0.1', port: 0 });
  const options = { token, tls: null, log: () => {}, onWorker: () => t.fail('nobody') as never };
  const cases: [string, number, RegExp][] = [
    [
      '127.0.0.1',
      port,
      /^--listen: cannot listen on 127\.0\.0\.1:\d+: the port is in use; stop what listens/,
    ],
    [
      '192.0.2.1',
      0,
      /^--listen: cannot listen on 192\.0\.2\.1:0: that is no address of this machine; choose/,
    ],
    [
      'nobody.invalid',
      0,
      /^--listen: cannot listen on nobody\.invalid:0: nobody knows that name; choose|ECAI|EAI/,
    ],
  ];
  for (const [host, port, message] of cases) {
    await t.rejects(openDoor({ ...options, listen: { host, port } }), {
      code: 'CONNECTION',
      exitCode: 1,
      message,
    });
  }
  taken.close();
  await once(taken, 'close');
});
