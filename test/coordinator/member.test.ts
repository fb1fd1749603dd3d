import t from 'tap';
import { dataAheadBytes, Member, type MemberEvents } from '../../coordinator/member.ts';
import { version } from '../../shared/version.ts';
import { chunkBytes, heartbeatMs, reasonLength } from '../../shared/wire/limits.ts';
import type { Clock } from '../../shared/wire/link.ts';
import { type Hello, schemas, type ToCoordinator } from '../../shared/wire/messages.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { RecordingLink, stillClock } from '../helpers/recording-link.ts';
import { helloOf } from '../helpers/workers.ts';

const run = 7;
const welcome = { name: 'mara', run, recipe: '{}', samples: { train: 3, test: 2 }, payloadBytes: 99 };
const digest = 'a'.repeat(64);

function newMember(events: Partial<MemberEvents> = {}, clock: Clock = stillClock) {
  const link = new RecordingLink();
  const told: string[] = [];
  const tell =
    (what: string) =>
    (_: Member, ...details: unknown[]) => {
      told.push([what, ...details.map((one) => JSON.stringify(one))].join(' '));
    };
  const member = new Member(link, clock, {
    hello: () => welcome,
    data: () => [],
    join: tell('join'),
    ready: tell('ready'),
    partial: tell('partial'),
    evaluation: tell('evaluation'),
    checksum: tell('checksum'),
    timeline: tell('timeline'),
    gone: tell('gone'),
    dropped: tell('dropped'),
    ...events,
  });
  return { link, member, told };
}

/** A member that has been welcomed and has its bulk connection. */
function welcomed(events: Partial<MemberEvents> = {}, clock: Clock = stillClock) {
  const all = newMember(events, clock);
  all.member.message(helloOf(1, 2));
  all.link.hasBulk = true;
  return all;
}

const frame = (type: 'partial' | 'total', ofRun = run) => ({
  type,
  run: ofRun,
  step: 0,
  exchange: 0,
  lo: 0,
  hi: 1,
  panel: 0,
  microseconds: 0,
  payload: new Uint8Array(4),
});

t.test('a hello that fits is welcomed, and frames of the run’s size may come', (t) => {
  const { link, member, told } = newMember();
  t.equal(member.state, 'greeting');
  member.message(helloOf(1, 2));
  t.equal(member.state, 'preparing');
  const { payloadBytes, ...rest } = welcome;
  t.same(link.messages, [{ type: 'welcome', version, ticket: link.ticket, ...rest }]);
  t.equal(link.expectedBytes, payloadBytes);
  t.same(told, []);
  t.end();
});

t.test('whoever does not fit is refused with the reason, and not asked back', (t) => {
  const wrong: [Partial<Hello>, RegExp][] = [
    [
      { protocol: 99 },
      /the worker has protocol version 99 .* the coordinator 3 .*; install the same version on both/,
    ],
    [{ arithmetic: 99, version: '9.9.9' }, /arithmetic version 99 \(Lockstep 9\.9\.9\), the coordinator 1 /],
    [
      { answer: digest },
      /kernels \(wasm\) give aaaaaaaaaaaa… on the known computation, expected .* other --kernels/,
    ],
  ];
  for (const [fields, reason] of wrong) {
    const { link, member, told } = newMember();
    member.message({ ...helloOf(1, 2), ...fields });
    t.match(link.messages, [{ type: 'refuse', reason }]);
    t.match(link.ended, /^closed: /);
    t.equal(member.state, 'gone');
    t.match(told, [/^gone /]);
    member.message(helloOf(1, 2));
    t.equal(link.messages.length, 1, 'nothing counts any more');
  }
  t.end();
});

t.test('messages out of turn end the connection', (t) => {
  const early = newMember();
  early.member.message({ type: 'join' });
  t.match(early.link.messages, [{ type: 'refuse', reason: 'sent join before its hello' }]);

  const turns: [string, readonly ToCoordinator[]][] = [
    ['said hello twice', [helloOf(1, 2)]],
    ['sent fetch out of turn', [{ type: 'join' }, { type: 'fetch' }]],
  ];
  for (const [reason, messages] of turns) {
    const all = welcomed({ join: (member) => member.sync(0, new Uint8Array(4), digest) });
    for (const message of messages) all.member.message(message);
    t.match(all.link.messages.at(-1), { type: 'refuse', reason });
  }
  const greedy = welcomed({ data: () => [new Uint8Array(9 * chunkBytes)] });
  for (let i = 0; i < 2; i++) greedy.member.message({ type: 'fetch' });
  t.match(greedy.link.messages.at(-1), { type: 'refuse', reason: 'sent fetch twice' });
  t.equal(greedy.link.frames.length, 1, 'and the data is not sent twice');
  for (let i = 0; i < 9; i++) greedy.link.drain();
  t.equal(greedy.link.frames.length, 1, 'nor on');
  const without = newMember();
  without.member.message(helloOf(1, 2));
  without.member.message({ type: 'fetch' });
  t.match(without.link.messages.at(-1), { reason: 'sent fetch before its bulk connection' });
  t.end();
});

t.test('data goes out in chunks, and waits while the connection is full', (t) => {
  const images = new Uint8Array(6 * chunkBytes + 5).map((_, i) => i % 251);
  const labels = Uint8Array.of(1, 2, 3);
  const { link, member } = welcomed({ data: () => [images, labels] });
  member.message({ type: 'fetch' });
  t.equal(link.frames.length, 1, 'the next one waits until there is room');
  t.same(link.limits, [dataAheadBytes]);
  for (let i = 0; i < 10; i++) link.drain();
  t.same(
    link.frames.map(({ type, panel, payload }) => [type, panel, payload.length]),
    [...Array.from({ length: 6 }, (_, i) => ['data', i, chunkBytes]), ['data', 6, 8]],
  );
  const sent = Buffer.concat(link.frames.map(({ payload }) => payload));
  t.ok(sent.equals(Buffer.concat([images, labels])));
  t.end();
});

t.test('a member takes part once its replica is proven to be the one that was sent', (t) => {
  const replica = new Uint8Array(chunkBytes + 3).fill(5);
  const { link, member, told } = welcomed({ join: (one) => one.sync(12, replica, digest) });
  member.message({ type: 'join' });
  t.equal(member.state, 'syncing');
  t.same(
    link.frames.map(({ type, step, panel, payload }) => [type, step, panel, payload.length]),
    [
      ['replica', 12, 0, chunkBytes],
      ['replica', 12, 1, 3],
    ],
  );
  member.message({ type: 'checksum', step: 12, sha256: digest });
  t.same(told, [], 'before it says that it has it, nothing counts');
  member.message({ type: 'ready', step: 11 });
  member.message({ type: 'checksum', step: 12, sha256: digest });
  t.same(told, [], 'nor with another step');
  member.message({ type: 'ready', step: 12 });
  member.message({ type: 'checksum', step: 12, sha256: digest });
  t.same(told, ['ready']);
  t.end();
});

t.test('a replica that differs is told, and does not take part', (t) => {
  const { member, told } = welcomed({ join: (one) => one.sync(0, new Uint8Array(4), digest) });
  member.message({ type: 'join' });
  member.message({ type: 'ready', step: 0 });
  member.message({ type: 'checksum', step: 0, sha256: 'b'.repeat(64) });
  t.same(told, [`checksum 0 "${'b'.repeat(64)}"`]);
  t.not(member.state, 'ready');
  t.end();
});

t.test('frames of another run, of a wrong kind, or after the end are counted and dropped', (t) => {
  const { member, told } = welcomed();
  member.frame(frame('partial'));
  member.frame(frame('partial', run + 1));
  member.frame(frame('total'));
  member.drop('for a reason');
  member.frame(frame('partial'));
  t.match(told, [
    /^partial /,
    'dropped "a frame of another run"',
    'dropped "a total frame"',
    'gone "for a reason" false',
    'dropped "a frame over a connection that was given up"',
  ]);
  t.end();
});

t.test('its delay is what a ping takes to come back', (t) => {
  const clock = new ManualClock();
  const { link, member } = welcomed({}, clock);
  t.equal(member.delayMs, null);
  clock.advance(heartbeatMs);
  const ping = link.messages.at(-1);
  if (ping?.type !== 'ping') throw new Error('no ping');
  clock.advance(7);
  member.message({ type: 'pong', number: ping.number });
  t.equal(member.delayMs, 7);
  member.message({ type: 'pong', number: ping.number + 1 });
  t.equal(member.delayMs, 7, 'what was not asked is no answer');
  t.end();
});

t.test('what it says of a step is passed on', (t) => {
  const { member, told } = welcomed();
  member.message({ type: 'timeline', step: 3, microseconds: 9, threads: ['0a1'] });
  t.match(told, [/^timeline \{"type":"timeline","step":3,/]);
  t.end();
});

t.test('a reason that quotes too much is cut to what a message holds', (t) => {
  const long = '🙂'.repeat(reasonLength);
  const fits = { reason: /^(🙂){512}$/u };
  const refused = welcomed();
  refused.member.refuse(long);
  t.match(refused.link.messages.at(-1), { type: 'refuse', ...fits });
  const behind = welcomed();
  behind.member.resync(`-${long}`);
  const { reason } = behind.link.messages.at(-1) as { reason: string };
  t.equal(reason.length, reasonLength);
  t.ok(reason.isWellFormed(), 'and no character is cut in two');
  const dismissed = welcomed();
  dismissed.member.dismiss(long);
  t.match(dismissed.link.messages.at(-1), { type: 'end', ...fits });
  for (const { link } of [refused, behind, dismissed]) {
    const message = link.messages.at(-1);
    t.ok(message && schemas.toWorker.safeParse(message).success);
  }
  t.end();
});

t.test('the end is told once, with who wanted it', (t) => {
  const leaving = welcomed();
  leaving.member.message({ type: 'leave', reason: 'interrupted' });
  leaving.member.closed('the other end closed');
  t.same(leaving.told, ['gone "interrupted" true']);

  const dismissed = welcomed();
  dismissed.member.dismiss('the run is done');
  t.same(dismissed.link.messages.at(-1), { type: 'end', reason: 'the run is done', failed: false });
  t.same(dismissed.told, ['gone "the run is done" true']);

  const failed = welcomed();
  failed.member.dismiss('x'.repeat(2000), true);
  t.same(failed.link.messages.at(-1), { type: 'end', reason: 'x'.repeat(1024), failed: true });

  const broken = welcomed();
  broken.member.closed('reset');
  t.same(broken.told, ['gone "reset" false']);
  t.end();
});
