import t from 'tap';
import type { Member } from '../../coordinator/member.ts';
import { mostWrongReplicas, Roster, type RosterEvent } from '../../coordinator/roster.ts';
import { RecordingLink, stillClock } from '../helpers/recording-link.ts';
import { helloOf } from '../helpers/workers.ts';

const digest = 'a'.repeat(64);
const welcome = { run: 7, recipe: '{}', samples: { train: 3, test: 2 }, payloadBytes: 99 };

function newRoster() {
  const events: (RosterEvent & { name: string })[] = [];
  const lost: string[] = [];
  const roster: Roster = new Roster(stillClock, {
    welcome: () => welcome,
    data: () => [],
    sync: (member) => member.sync(4, new Uint8Array(4), digest),
    ready: () => {},
    forgotten: () => {},
    lost: ({ name }) => lost.push(name),
    partial: () => {},
    evaluation: () => {},
    checksum: () => {},
    timeline: () => {},
    onEvent: (event, { name }) => events.push({ ...event, name }),
  });
  return { roster, events, lost };
}

/** A worker that has said hello, and takes part if it is to. */
function arrive(roster: Roster, i: number, { name = `worker ${i}`, joins = true } = {}) {
  const link = new RecordingLink(`10.0.0.${i}:5000`);
  const member = roster.arrive(link);
  member.message({ ...helloOf(i, 2), name });
  link.hasBulk = true;
  if (joins) {
    member.message({ type: 'join' });
    confirm(member);
  }
  return { link, member };
}

/** It has got its replica. */
function confirm(member: Member): void {
  member.message({ type: 'ready', step: 4 });
  member.message({ type: 'checksum', step: 4, sha256: digest });
}

t.test('every change of who takes part is a new generation', (t) => {
  const { roster, events, lost } = newRoster();
  const one = arrive(roster, 1);
  const two = arrive(roster, 2, { joins: false });
  t.same([roster.generation, roster.joins, roster.ready.length, roster.following.length], [1, 1, 1, 1]);
  two.member.message({ type: 'join' });
  t.same([roster.ready.length, roster.following.length], [1, 2], 'who gets its replica follows, too');
  confirm(two.member);
  t.same([roster.generation, roster.joins, roster.ready.length], [2, 2, 2]);
  one.member.closed('reset');
  t.same([roster.generation, roster.deaths, roster.ready.length], [3, 1, 1]);
  two.member.message({ type: 'leave', reason: 'interrupted' });
  t.same([roster.generation, roster.deaths, roster.ready.length], [4, 1, 0], 'leaving is no death');
  t.match(events, [
    { kind: 'joined', name: 'worker 1', threads: 2, isBack: false },
    { kind: 'joined', name: 'worker 2' },
    { kind: 'died', name: 'worker 1', reason: 'reset' },
    { kind: 'left', name: 'worker 2', reason: 'interrupted' },
  ]);
  t.same(lost, ['worker 1', 'worker 2']);
  t.end();
});

t.test('who comes back over a new connection replaces itself and keeps its account', (t) => {
  const { roster, events } = newRoster();
  const old = arrive(roster, 1);
  roster.credit(old.member, { gradients: 1, shards: 3, seconds: 2 });
  const again = arrive(roster, 1);
  t.equal(old.link.ended, 'destroyed');
  t.equal(old.member.state, 'gone');
  t.same(roster.ready, [again.member]);
  t.match(
    events.map(({ kind }) => kind),
    ['joined', 'replaced', 'died', 'joined'],
  );
  t.match(events.at(-1), { isBack: true });
  t.match([...roster.accounts()], [{ name: 'worker 1', threads: 2, shards: 3, seconds: 2 }]);
  t.equal([...roster.accounts()].length, 1);
  t.end();
});

t.test('two workers of one name are told apart', (t) => {
  const { roster } = newRoster();
  for (const i of [1, 2, 3]) arrive(roster, i, { name: 'mara' });
  t.same(
    [...roster.accounts()].map(({ name }) => name),
    ['mara', 'mara-2', 'mara-3'],
  );
  t.end();
});

t.test('a late worker takes no part until it has a new replica', (t) => {
  const { roster, events, lost } = newRoster();
  const { member, link } = arrive(roster, 1);
  roster.late([{ member, reason: 'it owes shards 0–3' }]);
  t.same([roster.ready.length, roster.following.length, roster.generation], [0, 0, 2]);
  t.same(lost, ['worker 1']);
  roster.resync(member, 'it was late');
  t.match(link.messages.at(-1), { type: 'resync', reason: 'it was late' });
  t.equal(link.frames.at(-1)?.type, 'replica');
  t.same([roster.ready.length, roster.following.length], [0, 1]);
  confirm(member);
  t.same([roster.ready.length, roster.generation, roster.joins, roster.deaths], [1, 3, 1, 0]);
  t.match(
    events.map(({ kind }) => kind),
    ['joined', 'late', 'back'],
  );
  t.end();
});

t.test('all who are late are so before the first of them is told, and it is one new generation', (t) => {
  const { roster, lost } = newRoster();
  const [one, two] = [arrive(roster, 1), arrive(roster, 2)];
  const states: string[] = [];
  lost.push = (...names) => {
    states.push(`${names}: ${one.member.state}, ${two.member.state}`);
    return states.length;
  };
  roster.late([
    { member: one.member, reason: 'it owes shards 0–3' },
    { member: two.member, reason: 'it owes shards 4–7' },
  ]);
  t.same(states, ['worker 1: late, late', 'worker 2: late, late']);
  t.equal(roster.generation, 3);
  t.end();
});

t.test('a replica that is wrong for the fourth time is the last', (t) => {
  const { roster, events } = newRoster();
  const { member, link } = arrive(roster, 1);
  for (let i = 0; i < mostWrongReplicas; i++) {
    roster.outOfStep(member, 'its replica differs');
    t.match(link.messages.at(-1), { type: 'resync', reason: 'its replica differs' });
    confirm(member);
  }
  t.equal(roster.ready.length, 1);
  roster.outOfStep(member, 'its replica differs');
  t.equal(member.state, 'gone');
  t.match(link.messages.at(-1), { type: 'refuse', reason: 'its replica differs, for the 4th time' });
  t.same(
    events.map(({ kind }) => kind),
    ['joined', ...Array(mostWrongReplicas).fill(['out of step', 'back']).flat(), 'thrown out', 'died'],
  );
  t.end();
});

t.test('who only says hello has no account, and its name is free again', (t) => {
  const { roster } = newRoster();
  const { member } = arrive(roster, 1, { name: 'mara', joins: false });
  t.same(roster.accounts(), []);
  t.equal(arrive(roster, 2, { name: 'mara' }).member.name, 'mara-2', 'as long as it is there, it has it');
  member.closed('reset');
  arrive(roster, 3, { name: 'mara' });
  t.same(
    roster.accounts().map(({ name }) => name),
    ['mara-2', 'mara'],
  );
  t.end();
});

t.test('who is thrown out is told why and not asked back', (t) => {
  const { roster, events } = newRoster();
  const { member, link } = arrive(roster, 1);
  roster.throwOut(member, 'it sent what is not its own');
  t.match(link.messages.at(-1), { type: 'refuse', reason: 'it sent what is not its own' });
  t.equal(roster.ready.length, 0);
  t.match(
    events.map(({ kind }) => kind),
    ['joined', 'thrown out', 'died'],
  );
  t.end();
});

t.test('when the run is over all are sent home, and nobody is let in any more', (t) => {
  const { roster, events } = newRoster();
  const { link } = arrive(roster, 1);
  const stranger = new RecordingLink();
  const greeting = roster.arrive(stranger);
  roster.close('the run is done');
  t.match(link.messages.at(-1), { type: 'end', reason: 'the run is done', failed: false });
  t.match(link.ended, 'closed: the run is done');
  t.equal(greeting.state, 'gone', 'who has not said hello is sent home, too');
  const { link: late } = arrive(roster, 2, { joins: false });
  t.match(late.messages, [{ type: 'refuse', reason: 'the run is over' }]);
  t.same(
    events.map(({ kind }) => kind),
    ['joined'],
  );
  t.end();
});
