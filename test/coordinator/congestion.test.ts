import t from 'tap';
import { Congestion } from '../../coordinator/congestion.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { readyMember } from '../helpers/members.ts';

const timeoutMs = 4_000;

function congested() {
  const [slow, fast] = [readyMember(1), readyMember(2)];
  const clock = new ManualClock();
  let times = 0;
  const congestion = new Congestion({
    clock,
    mostBytes: 1_000,
    timeoutMs,
    ready: () => [slow, fast].map(({ member }) => member).filter(({ state }) => state === 'ready'),
    goOn: () => {
      times += 1;
    },
  });
  return { slow, fast, clock, congestion, wentOn: () => times };
}

t.test('nothing waits while everybody takes what is sent', (t) => {
  const { slow, congestion, clock } = congested();
  slow.link.bufferedBytes = 1_000;
  t.notOk(congestion.isClogged());
  t.equal(clock.waiting, 0);
  t.end();
});

t.test('who has too much waiting holds the run up until there is room', (t) => {
  const { slow, fast, congestion, clock, wentOn } = congested();
  slow.link.bufferedBytes = 1_001;
  t.ok(congestion.isClogged());
  t.same([slow.link.limits, fast.link.limits], [[1_000], []]);
  t.equal(wentOn(), 0);
  slow.link.drain();
  t.equal(wentOn(), 1);
  t.notOk(congestion.isClogged());
  t.equal(clock.waiting, 0, 'and the deadline is over');
  t.end();
});

t.test('who has not made room until the deadline is cut, however often somebody asks', (t) => {
  const { slow, congestion, clock, wentOn } = congested();
  slow.link.bufferedBytes = 1_001;
  for (let ms = 0; ms < timeoutMs; ms += 1_000) {
    t.ok(congestion.isClogged());
    clock.advance(1_000);
  }
  t.equal(slow.member.state, 'gone');
  t.equal(slow.link.ended, 'destroyed');
  t.equal(wentOn(), 1);
  t.notOk(congestion.isClogged());
  t.end();
});

t.test('who becomes clogged later has a time of its own', (t) => {
  const { slow, fast, congestion, clock } = congested();
  slow.link.bufferedBytes = 1_001;
  t.ok(congestion.isClogged());
  clock.advance(timeoutMs - 1);
  fast.link.bufferedBytes = 1_001;
  t.ok(congestion.isClogged());
  clock.advance(1);
  t.same([slow.member.state, fast.member.state], ['gone', 'ready']);
  t.ok(congestion.isClogged());
  clock.advance(timeoutMs);
  t.equal(fast.member.state, 'gone');
  t.end();
});

t.test('after its end nothing is waited for', (t) => {
  const { slow, congestion, clock } = congested();
  slow.link.bufferedBytes = 1_001;
  t.ok(congestion.isClogged());
  congestion.stop();
  clock.advance(timeoutMs);
  t.equal(slow.member.state, 'ready');
  t.end();
});
