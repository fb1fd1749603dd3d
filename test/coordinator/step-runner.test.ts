/** Steps among workers that a test plays: who is late, what is kept for comparison, and for how long. */
import t from 'tap';
import { CoordinatorTimelines } from '../../coordinator/coordinator-timeline.ts';
import { Judge } from '../../coordinator/judge.ts';
import { Planner } from '../../coordinator/planner.ts';
import { CoordinatorReplica } from '../../coordinator/replica.ts';
import { Roster } from '../../coordinator/roster.ts';
import { SlowJoiners } from '../../coordinator/slow-joiners.ts';
import { mostOverdueSteps, StepRunner } from '../../coordinator/step-runner.ts';
import { sha256 } from '../../shared/digest.ts';
import { FakeWorker, runToPlay } from '../helpers/fake-workers.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

/** So short that nobody who says nothing is taken for dead meanwhile. */
const stepTimeoutMs = 1_000;
const runNumber = 7;

async function newRunner() {
  const run = await runToPlay();
  const clock = new ManualClock();
  const events: string[] = [];
  const conflicts: string[] = [];
  const replica = new CoordinatorReplica(run);
  const roster: Roster = new Roster(clock, {
    welcome: () => ({ run: runNumber, recipe: '{}', samples: run.setup.sizes.samples, payloadBytes: 99 }),
    data: () => [],
    sync: (member) => {
      const copy = replica.snapshot();
      member.sync(replica.committed, copy, sha256(copy));
    },
    ready: () => runner.adoptOrphans(),
    lost: (member) => runner.lose(member),
    forgotten: () => {},
    partial: (member, frame) => {
      runner.partial(member, frame);
      judge.heard(member);
    },
    evaluation: () => {},
    checksum: () => {},
    timeline: () => {},
    onEvent: (event, { name }) => events.push(`${name} ${event.kind}`),
  });
  const judge = new Judge(roster, stepTimeoutMs, (name, reason) => conflicts.push(`${name}: ${reason}`));
  const timelines = new CoordinatorTimelines(() => false, clock.nowMs);
  const runner: StepRunner = new StepRunner({
    ...{ run, runNumber, clock, stepTimeoutMs, roster, replica, judge, profile: undefined, timelines },
    planner: new Planner(clock, roster),
    slowJoiners: new SlowJoiners({
      ...{ clock, mostBytes: 1e9 },
      fellBehind: () => t.fail('nobody falls behind'),
      resync: () => {},
    }),
    proofs: { committed: () => {} },
    committed: () => {},
    diverged: (where) => t.fail(where),
    failed: (reason) => t.fail(reason),
  });
  const worker = (i: number) => new FakeWorker(i, run, (link) => roster.arrive(link)).join();
  return { run, clock, roster, replica, runner, events, conflicts, worker };
}

/** It does all that it has been asked for. */
const work = (worker: FakeWorker) => worker.answer(worker.asked(), runNumber);

t.test('what a late worker owes others compute, and it is nobody’s but theirs', async (t) => {
  const { clock, roster, replica, runner, events, worker } = await newRunner();
  const [quick, late] = [worker(1), worker(2)];
  runner.begin(0);
  work(quick);
  clock.advance(stepTimeoutMs - 1);
  t.equal(roster.ready.length, 2);
  clock.advance(1);
  t.same(events.slice(2), ['worker 2 late']);
  t.ok(runner.isBusy);
  work(quick);
  t.notOk(runner.isBusy);
  t.equal(replica.committed, 1);
  t.equal(runner.shardsRecomputed, 4);
  t.match(roster.accounts(), [
    { name: 'worker 1', shards: 8 },
    { name: 'worker 2', shards: 0, gradients: 0 },
  ]);
  runner.begin(1);
  t.same(
    late.asked().map(([step]) => step),
    [0],
    'it is asked for nothing more',
  );
});

t.test('its answer, once it comes, is compared and dropped, and it gets a new replica', async (t) => {
  const { clock, roster, runner, events, conflicts, worker } = await newRunner();
  const [quick, late] = [worker(1), worker(2)];
  runner.begin(0);
  work(quick);
  clock.advance(stepTimeoutMs);
  work(quick);
  work(late);
  t.same([roster.framesDropped, conflicts], [1, []]);
  t.match(late.link.messages.at(-1), { type: 'resync', reason: 'it was late' });
  late.confirm();
  t.same(events.slice(2), ['worker 2 late', 'worker 2 back']);
  runner.begin(1);
  t.equal(late.asked().length, 1, 'it takes part again');
});

t.test('other bits in it are a conflict, though the step is over', async (t) => {
  const { clock, runner, conflicts, worker } = await newRunner();
  const [quick, late] = [worker(1), worker(2)];
  runner.begin(0);
  work(quick);
  clock.advance(stepTimeoutMs);
  work(quick);
  late.answer(late.asked(), runNumber, 1);
  t.match(conflicts, [/^worker 2: the partial of exchange 0, shards 4–7 of step 1$/]);
});

t.test(`no more than ${mostOverdueSteps} finished steps are kept for those who are late`, async (t) => {
  const { clock, roster, replica, runner, conflicts, worker } = await newRunner();
  const quick = worker(1);
  const late: FakeWorker[] = [];
  for (let step = 0; step <= mostOverdueSteps; step++) {
    late.push(worker(2 + step));
    runner.begin(step);
    work(quick);
    clock.advance(stepTimeoutMs);
    work(quick);
  }
  t.equal(replica.committed, mostOverdueSteps + 1);
  t.equal(roster.ready.length, 1);
  t.equal(roster.members.length, mostOverdueSteps + 2, 'nobody is gone');
  for (const worker of late) worker.answer(worker.asked(), runNumber, 1);
  t.equal(roster.framesDropped, mostOverdueSteps + 1);
  t.match(conflicts, [/^worker 3: .* of step 2$/, /^worker 4: .* of step 3$/]);
  t.equal(conflicts.length, mostOverdueSteps, 'with the oldest nothing is compared any more');
});

t.test('all who owe something at the deadline are late, and none gets what another owes', async (t) => {
  const { clock, runner, events, worker } = await newRunner();
  const [quick, ...others] = [1, 2, 3].map(worker);
  runner.begin(0);
  work(quick); // and is asked for nothing more until the deadline
  clock.advance(stepTimeoutMs);
  t.same(events.slice(3), ['worker 2 late', 'worker 3 late']);
  const shardsOf = (one: FakeWorker) => one.asked().reduce((sum, [, lo, hi]) => sum + hi - lo, 0);
  const [first, ...owed] = [quick, ...others].map(shardsOf);
  t.equal(first, owed[0] + owed[1], 'it is all with the one that answers');
});
