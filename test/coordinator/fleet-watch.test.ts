/** What workers say of a step is put together: of all that took part, however late, dead or hostile somebody is. */
import t from 'tap';
import { FleetWatch } from '../../coordinator/fleet-watch.ts';
import type { Member } from '../../coordinator/member.ts';
import type { StepTimeline } from '../../shared/timeline.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { readyMember } from '../helpers/members.ts';

const everyStep = { perSecond: 100, burst: 100 };

function begin(count: number) {
  const clock = new ManualClock();
  const fakes = Array.from({ length: count }, (_, i) => readyMember(i));
  const members = fakes.map(({ member }) => member);
  let committed = 0;
  const watch = new FleetWatch({
    clock,
    ready: () => members.filter(({ state }) => state === 'ready'),
    committed: () => committed,
  });
  const told: StepTimeline[] = [];
  const say = (member: Member, step: number, threads = ['0a1000']) =>
    watch.timeline(member, { type: 'timeline', step, microseconds: 5000, threads });
  const step = (ms = 1000) => {
    watch.own.begin(committed);
    clock.advance(ms);
    watch.own.end();
    committed += 1;
    watch.committed();
  };
  return {
    ...{ clock, members, watch, told, say, step },
    listen: () => watch.add((timeline) => told.push(timeline), everyStep),
    asked: (i: number) => fakes[i].link.messages.flatMap((one) => (one.type === 'watch' ? [one.every] : [])),
    names: () => told.map(({ step, workers }) => `${step}: ${workers.map(({ name }) => name).join()}`),
  };
}

t.test('workers are told to time steps as long as somebody listens, and those that join later, too', (t) => {
  const { watch, members, listen, asked } = begin(3);
  members[2].state = 'syncing';
  t.same([asked(0), asked(2)], [[], []]);
  const stops = [listen(), listen()];
  t.same([asked(0), asked(1), asked(2)], [[1], [1], []]);
  members[2].state = 'ready';
  watch.ready(members[2]);
  t.same(asked(2), [1]);
  stops[0]();
  t.same(asked(0), [1]);
  stops[1]();
  t.same(
    [asked(0), asked(1), asked(2)],
    [
      [1, 0],
      [1, 0],
      [1, 0],
    ],
  );
  t.end();
});

t.test('all of them time the same steps, two a second at most', (t) => {
  const { listen, step, asked, clock } = begin(2);
  listen();
  while (clock.nowMs() < 10_000) step(10);
  for (const i of [0, 1]) t.equal(asked(i).at(-1), 64, 'a hundred steps a second');
  while (clock.nowMs() < 30_000) step(2000);
  for (const i of [0, 1]) t.equal(asked(i).at(-1), 1);
  t.ok(asked(0).length < 8, `${asked(0)}`);
  t.end();
});

t.test('a step is told once everybody has spoken, in the order of ranks', (t) => {
  const { listen, step, say, members, names, told } = begin(3);
  listen();
  step(); // they were told in the middle of it
  step();
  say(members[2], 1);
  say(members[0], 1, ['12a100b200']);
  t.same(names(), []);
  say(members[1], 1);
  t.same(names(), ['2: worker 0,worker 1,worker 2']);
  const [{ workers, coordinator }] = told;
  t.same(
    workers[0].threads.flat().map(({ phase, from, to }) => [phase, from.toFixed(3), to.toFixed(3)]),
    [
      ['gather', '0.012', '0.112'],
      ['forward', '0.112', '0.312'],
    ],
  );
  t.equal(workers[0].startMs, 1995, 'it began five milliseconds before the message came');
  t.match(coordinator, { startMs: 1000, ms: 1000, segments: [], messages: [] });
  t.end();
});

t.test('nobody waits for who is dead or late, or came in the middle; what it said still counts', (t) => {
  const { watch, listen, step, say, members, names } = begin(4);
  members[3].state = 'syncing';
  listen();
  step();
  step();
  say(members[0], 1);
  say(members[2], 1);
  members[3].state = 'ready';
  watch.ready(members[3]);
  t.same(names(), [], 'the second is to speak yet, the fourth cannot');
  members[1].state = 'gone';
  watch.lost(members[1]);
  t.same(names(), ['2: worker 0,worker 2']);
  step();
  say(members[0], 2);
  say(members[2], 2);
  t.equal(names().length, 1, 'the fourth was told before it had anything to do');
  say(members[3], 2);
  t.same(names().slice(1), ['3: worker 0,worker 2,worker 3']);
  step();
  say(members[2], 3);
  members[2].state = 'late';
  watch.lost(members[2]);
  say(members[3], 3);
  t.equal(names().length, 2);
  say(members[0], 3);
  t.same(names().slice(2), ['4: worker 0,worker 3,worker 2']);
  t.end();
});

t.test('steps of which somebody says nothing are forgotten', (t) => {
  const { listen, step, say, members, names } = begin(2);
  listen();
  step();
  for (let i = 1; i < 50; i++) {
    step();
    say(members[0], i);
  }
  t.same(names(), []);
  say(members[1], 1);
  t.same(names(), [], 'the first is too old');
  say(members[1], 49);
  t.same(names(), ['50: worker 0,worker 1']);
  say(members[1], 48);
  say(members[1], 49);
  t.equal(names().length, 1, 'and what was told is over');
  t.end();
});

t.test('what nobody asked for says nothing', (t) => {
  const { watch, listen, step, say, members, names } = begin(2);
  step();
  say(members[0], 0);
  const stop = listen();
  step();
  say(members[0], 7);
  say(members[0], 2 ** 32 - 1);
  for (let i = 0; i < 10_000; i++) say(members[0], i);
  members[1].state = 'gone';
  watch.lost(members[1]);
  say(members[1], 1);
  t.same(names(), ['1: worker 0', '2: worker 0'], 'steps that were committed, once each');
  step();
  const threads = Array.from({ length: 64 }, () => '999999999h999999999');
  say(members[0], 2, threads);
  t.equal(names().length, 3);
  stop();
  step();
  say(members[0], 3);
  t.equal(names().length, 3);
  t.end();
});

t.test('a worker has no more threads than it said', (t) => {
  const { listen, step, say, members, told } = begin(1);
  listen();
  step();
  step();
  say(members[0], 1, ['0a1', '0b1', '0c1']);
  t.equal(told[0].workers[0].threads.length, 1);
  t.end();
});
