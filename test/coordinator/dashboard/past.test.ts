/** What a run did before, read from its log. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Dashboard } from '../../../coordinator/dashboard/dashboard.ts';
import { StepHistory } from '../../../coordinator/dashboard/history.ts';
import { readPast } from '../../../coordinator/dashboard/past.ts';
import { RunLog } from '../../../coordinator/log.ts';
import type { StepReport } from '../../../coordinator/reports.ts';
import { anEpoch, aStep, PlayedReader, PlayedRun, playedRun } from '../../helpers/dashboard.ts';

const steps = (from: number, to: number): StepReport[] =>
  Array.from({ length: to - from + 1 }, (_, i) => aStep(from + i, 1 / (from + i), 16, 0.25));

const begun = await playedRun();
/** 7 steps an epoch; it goes on in the middle of the third. */
const run = { ...begun, committed: 17 };
const whole = { run, isWanted: () => true, isHurried: () => true };

function logOf(text: string): string {
  const path = join(t.testdir(), 'log.jsonl');
  writeFileSync(path, text);
  return path;
}

function wholeLog(): string {
  const path = join(t.testdir(), 'log.jsonl');
  const log = new RunLog(path, (error) => t.fail(error.message));
  log.steps(steps(1, 7));
  log.epoch(anEpoch(1));
  log.event('joined', { name: 'mara', step: 9 });
  log.steps(steps(8, 14));
  log.epoch(anEpoch(2));
  log.steps(steps(15, 17));
  log.close();
  return path;
}

t.test('the curves are those of a run that was never stopped', async (t) => {
  const past = await readPast(wholeLog(), whole);
  const expected = new StepHistory(7);
  for (const step of steps(1, 17)) expected.add(step);
  t.same(past.steps.points(), expected.points());
  t.same(
    [...past.secondsAt],
    [
      [7, 1.75],
      [14, 3.5],
    ],
  );
});

t.test('what is no step that was done before is passed over', async (t) => {
  const line = (fields: object) =>
    JSON.stringify({ epoch: 1, step: 1, samples: 16, loss: 1, accuracy: 0.5, seconds: 1, ...fields });
  const path = logOf(
    [
      'no line of a log',
      line({ step: 1 }),
      line({ step: 1, loss: 7 }),
      line({ step: 2, loss: null }),
      line({ step: 3, accuracy: undefined }),
      `{"epoch":1,"step":4,${'x'.repeat(20)}`,
      line({ step: 18 }),
      line({ step: 5 }).slice(0, -3),
    ].join('\n'),
  );
  const { steps } = await readPast(path, whole);
  t.match(steps.points(), [
    { step: 1, loss: 1, accuracy: 0.5 },
    { step: 3, accuracy: null },
  ]);
  t.equal(steps.count, 2);
});

t.test(
  'others have their turn while a long log is read, and it ends when nobody wants it any more',
  async (t) => {
    const path = logOf(
      steps(1, 40_000)
        .map(({ digest: _, ...step }) => `${JSON.stringify(step)}\n`)
        .join(''),
    );
    // A clock by which every look takes a millisecond.
    let ms = 0;
    let turns = 0;
    const clock = {
      nowMs: () => ms++,
      after: (_: number, then: () => void) => {
        setImmediate(then);
        return () => {};
      },
    };
    const long = { steps: 7, committed: 40_000 };
    const isWanted = () => ++turns > 0;
    for (const isHurried of [true, false]) {
      turns = 0;
      const { steps } = await readPast(path, { run: long, clock, isWanted, isHurried: () => isHurried });
      t.equal(steps.count, 40_000);
      t.ok(turns > 1_000, `${turns} turns`);
    }
    const { steps: some } = await readPast(path, { ...whole, run: long, clock, isWanted: () => false });
    t.ok(some.count > 0 && some.count < 100, `${some.count} steps`);
  },
);

/** A dashboard of a run that goes on, over the system's clock. */
function resumed() {
  const live = new PlayedRun(run);
  live.steps = run.committed;
  const dashboard = new Dashboard();
  const from = { epochs: [anEpoch(1), anEpoch(2)] } as unknown as NonNullable<typeof run.from>;
  dashboard.start({ ...run, from }, live, 'played');
  const told = () => {
    const reader = new PlayedReader();
    dashboard.join(reader);
    dashboard.leave(reader);
    const [everything] = reader.messages;
    if (everything?.type !== 'run') throw new Error('not everything was told');
    return everything;
  };
  return { dashboard, told };
}

t.test('a run that goes on shows all of its steps, and those that come meanwhile behind them', async (t) => {
  const { dashboard, told } = resumed();
  const path = wholeLog();
  const late = new PlayedReader();
  const recalled = dashboard.recall(path);
  dashboard.join(late);
  dashboard.steps(steps(18, 21));
  dashboard.epoch(anEpoch(3));
  await recalled;
  const { points, epochs, events } = told();
  t.same(
    points.map(({ step }) => step),
    Array.from({ length: 21 }, (_, i) => i + 1),
  );
  t.equal(points.at(-1)?.seconds, 21 * 0.25);
  t.same(
    epochs.map(({ seconds }) => seconds),
    [1.75, 3.5, 5.25],
    'on one clock',
  );
  t.match(events, [{ text: 'goes on after step 17 of 70' }, { text: /^epoch 3 is done/ }]);
  dashboard.end('stopped', 'the test is over');
  t.same(
    late.messages.findLast(({ type }) => type === 'run'),
    { ...told(), events },
    'who was there before is told all of it, too',
  );
});

t.test('without a log that can be read it shows what comes, and says so', async (t) => {
  const { dashboard, told } = resumed();
  await dashboard.recall(join(t.testdir(), 'none'));
  dashboard.steps(steps(18, 19));
  const { points, epochs, events } = told();
  t.same(
    points.map(({ step }) => step),
    [18, 19],
  );
  t.equal(epochs.length, 2);
  t.match(events.at(-1), { text: /the log of the run cannot be read$/ });
});

t.test('a run that ends before its log is read ends with what it has', async (t) => {
  const { dashboard, told } = resumed();
  const long = steps(1, 17).map(({ digest: _, ...step }) => `${JSON.stringify(step)}\n`.padStart(400_000));
  const recalled = dashboard.recall(logOf(long.join('')));
  dashboard.steps(steps(18, 19));
  dashboard.end('stopped', 'at once');
  await recalled;
  t.match(
    told()
      .points.slice(-2)
      .map(({ step }) => step),
    [18, 19],
  );
});
