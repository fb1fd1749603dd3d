import t from 'tap';
import { SlowJoiners } from '../../coordinator/slow-joiners.ts';
import { catchUpPauseMs, catchUpTimeoutMs, mostCatchUps } from '../../shared/wire/limits.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { readyMember } from '../helpers/members.ts';

function joining() {
  const { member, link } = readyMember(1);
  member.state = 'syncing';
  const clock = new ManualClock();
  const told: string[] = [];
  const slowJoiners: SlowJoiners = new SlowJoiners({
    clock,
    mostBytes: 1_000_000,
    fellBehind: (one, reason) => {
      one.state = 'behind';
      told.push(`behind: ${reason}`);
    },
    resync: (one, reason) => {
      one.state = 'syncing';
      told.push(`resync: ${reason}`);
    },
  });
  /** More of what is sent waits than may. */
  const clog = () => {
    link.bufferedBytes = 1_500_000;
    return slowJoiners.keepsUp(member);
  };
  return { member, link, clock, told, slowJoiners, clog };
}

t.test('who takes what it is sent keeps up, and who takes part is others’ business', (t) => {
  const { member, link, slowJoiners, told, clog } = joining();
  link.bufferedBytes = 1_000_000;
  t.ok(slowJoiners.keepsUp(member));
  member.state = 'ready';
  t.ok(clog());
  t.same(told, []);
  t.end();
});

t.test('who does not falls behind, and gets a new replica when the old one has left, not at once', (t) => {
  const { link, clock, told, clog } = joining();
  t.notOk(clog());
  t.match(told, [/^behind: its connection takes less than the run sends/]);
  clock.advance(500);
  link.drain();
  t.equal(told.length, 1);
  clock.advance(catchUpPauseMs - 501);
  t.equal(told.length, 1);
  clock.advance(1);
  t.match(told, [/^behind/, 'resync: it fell behind']);
  t.equal(clock.waiting, 0);
  t.notOk(clog());
  clock.advance(2 * catchUpPauseMs);
  link.drain();
  clock.advance(0);
  t.equal(told.length, 4, 'at once where the pause is over');
  t.end();
});

t.test(
  `in the ${mostCatchUps}rd attempt in vain it is refused, with what its connection took in what time`,
  (t) => {
    const { member, link, clock, clog } = joining();
    for (const ms of [4_000, 6_000]) {
      t.notOk(clog());
      clock.advance(ms);
      link.drain();
      clock.advance(0);
    }
    t.notOk(clog());
    t.equal(member.state, 'gone');
    t.match(link.messages.at(-1), {
      type: 'refuse',
      reason: 'its connection took 3.0 MB in 10.0 s, too little to catch up with the run in 3 attempts',
    });
    t.equal(clock.waiting, 0);
    t.end();
  },
);

t.test('attempts before it took part do not count', (t) => {
  const { member, link, clock, slowJoiners, clog } = joining();
  for (let i = 0; i < 3 * mostCatchUps; i++) {
    t.notOk(clog());
    link.drain();
    clock.advance(catchUpPauseMs);
    slowJoiners.forget(member);
  }
  t.equal(member.state, 'syncing');
  t.end();
});

t.test('who does not take even the one replica until the deadline is refused', (t) => {
  const { member, link, clock, clog } = joining();
  clog();
  link.bufferedBytes = 1_200_000;
  clock.advance(catchUpTimeoutMs - 1);
  t.equal(member.state, 'behind');
  clock.advance(1);
  t.match(link.messages.at(-1), {
    type: 'refuse',
    reason: 'its connection took 0.3 MB in 60.0 s, and 1.2 MB of a replica wait for it',
  });
  t.equal(clock.waiting, 0);
  t.end();
});

t.test('for those who are gone, and after the end, nothing is waited for', (t) => {
  const gone = joining();
  gone.clog();
  gone.member.state = 'gone';
  gone.slowJoiners.forget(gone.member);
  gone.link.drain();
  t.equal(gone.clock.waiting, 0);
  t.equal(gone.told.length, 1);

  const over = joining();
  over.clog();
  over.link.drain();
  over.slowJoiners.stop();
  t.equal(over.clock.waiting, 0);
  t.end();
});
