/** A run among workers that a test plays: what holds it up, and what does not. */
import t from 'tap';
import { Fleet, type FleetEvent } from '../../coordinator/fleet.ts';
import { largestPayloadBytes } from '../../shared/setup.ts';
import { catchUpPauseMs, mostCatchUps } from '../../shared/wire/limits.ts';
import { FakeWorker, runToPlay } from '../helpers/fake-workers.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

async function begun() {
  const run = await runToPlay();
  const clock = new ManualClock();
  const events: FleetEvent[] = [];
  const fleet = new Fleet({
    run,
    clock,
    workers: 1,
    minWorkers: 1,
    workerTimeoutMs: 60_000,
    stepTimeoutMs: 4_000,
    onEvent: (event) => events.push(event),
  });
  const arrive = (i: number) => new FakeWorker(i, run, (link) => fleet.arrive(link));
  const fast = arrive(1).join();
  const training = fleet.trainSteps(0, run.steps);
  /** The fast one computes steps and takes what it is sent. */
  const steps = (count: number) => {
    for (let i = 0; i < count; i++) {
      fast.answer(fast.asked(), runNumberOf(fast));
      fast.link.drain();
    }
  };
  const kinds = () => events.map(({ kind }) => kind);
  const totalBytes = 4 * run.architecture.flatSize;
  const mostBytes = 2 * totalBytes + largestPayloadBytes(run.setup);
  return { run, clock, fleet, arrive, training, steps, kinds, mostBytes, totalBytes };
}

function runNumberOf({ link }: FakeWorker): number {
  const [welcome] = link.messages;
  return welcome.type === 'welcome' ? welcome.run : 0;
}

t.test('a joiner that takes nothing holds nobody up, and no more waits for it than may', async (t) => {
  const { fleet, arrive, steps, kinds, clock, mostBytes, totalBytes } = await begun();
  const slow = arrive(2).join({ takes: false });
  steps(20);
  t.equal(fleet.committed, 20, 'though no time has passed');
  t.same(kinds(), ['joined', 'behind']);
  const waiting = slow.link.bufferedBytes;
  t.ok(waiting > mostBytes && waiting < mostBytes + 1.1 * totalBytes, `${waiting} bytes`);
  clock.advance(catchUpPauseMs);
  slow.link.drain();
  clock.advance(0);
  t.match(slow.link.messages.at(-1), { type: 'resync', reason: 'it fell behind' });
  steps(1);
  slow.confirm();
  t.same(kinds(), ['joined', 'behind', 'joined']);
  t.equal(fleet.workers, 2);
  fleet.close('the test is over');
  t.equal(clock.waiting, 0);
});

t.test(`after ${mostCatchUps} attempts a slow joiner is refused, and the run goes on`, async (t) => {
  const { fleet, arrive, steps, kinds, clock, training, run } = await begun();
  const slow = arrive(2).join({ takes: false });
  for (let i = 1; i < mostCatchUps; i++) {
    steps(10);
    t.equal(slow.member.state, 'behind');
    slow.link.drain();
    clock.advance(catchUpPauseMs);
    t.equal(slow.member.state, 'syncing');
  }
  steps(10);
  t.match(slow.link.messages.at(-1), {
    type: 'refuse',
    reason: /^its connection took \d\.\d MB in 0\.0 s, too little to catch up with the run in 3 attempts$/,
  });
  t.same(kinds(), ['joined', 'behind', 'behind', 'died']);
  steps(run.steps - 30);
  t.match(await training, { kind: 'done', step: run.steps });
  t.equal(fleet.deaths, 0, 'it never took part');
  t.same(
    fleet.account().map(({ name }) => name),
    ['worker 1'],
  );
  fleet.close('the test is over');
  t.equal(clock.waiting, 0);
});

t.test('who takes part and takes nothing holds a step up until the deadline, and is cut', async (t) => {
  const { fleet, arrive, steps, kinds, clock } = await begun();
  const stuck = arrive(2).join();
  steps(1); // in which it computes nothing yet
  stuck.link.bufferedBytes = 1e9;
  steps(1);
  stuck.answer(stuck.asked(), runNumberOf(stuck));
  const { committed } = fleet;
  steps(3);
  t.equal(fleet.committed, committed, 'no step begins');
  clock.advance(4_000);
  t.same(kinds(), ['joined', 'joined', 'died']);
  steps(3);
  t.equal(fleet.committed, committed + 3);
  fleet.close('the test is over');
});
