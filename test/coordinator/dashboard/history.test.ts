/** Curves of any length in a bounded number of points. */
import fc from 'fast-check';
import t from 'tap';
import { EpochHistory, mostEpochs, mostPoints, StepHistory } from '../../../coordinator/dashboard/history.ts';
import type { StepReport } from '../../../coordinator/reports.ts';
import { anEpoch, aStep } from '../../helpers/dashboard.ts';

const seed = 20261123;

t.test('as long as there is room, every step is a point, to the bit', (t) => {
  const history = new StepHistory(10);
  const losses = [2.25, 0.1, 1 / 3].map(Math.fround);
  losses.forEach((loss, i) => {
    history.add(aStep(i + 1, loss, 16, 0.5));
  });
  t.same(
    history.points().map(({ step, loss, lossMin, lossMax }) => [step, loss, lossMin, lossMax]),
    losses.map((loss, i) => [i + 1, loss, loss, loss]),
  );
  t.match(history.points()[2], { epoch: 0.3, seconds: 1.5, samplesPerSecond: 32, accuracy: 0.5 });
  t.end();
});

t.test('a speed is that of half a second of training, across points and thinning', (t) => {
  const history = new StepHistory(10, 0, 8);
  // By the clock of a busy machine: one step takes almost nothing, the next one all.
  for (let step = 1; step <= 6; step++) history.add(aStep(step, 1, 25, step % 2 === 0 ? 0.4999 : 0.0001));
  const speeds = () => history.points().map(({ samplesPerSecond }) => samplesPerSecond);
  t.same(speeds().slice(1), [100, 100, 100, 100, 100]);
  for (let step = 7; step <= 20; step++) history.add(aStep(step, 1, 25, step % 2 === 0 ? 0.4999 : 0.0001));
  t.same(
    speeds(),
    history.points().map(() => 100),
    `${history.length} points`,
  );
  t.same(history.points(2), history.points().slice(2));
  t.end();
});

t.test('an accuracy that a log does not have is none', (t) => {
  const history = new StepHistory(10);
  history.add({ ...aStep(1), accuracy: Number.NaN });
  t.equal(history.points()[0].accuracy, null);
  t.end();
});

/** What a bunch of steps must show, from the steps themselves. */
function summary(reports: readonly StepReport[]) {
  const samples = reports.reduce((sum, report) => sum + report.samples, 0);
  return {
    step: reports.at(-1)?.step,
    loss: reports.reduce((sum, { loss, samples }) => sum + loss * samples, 0) / samples,
    lossMin: Math.min(...reports.map(({ loss }) => loss)),
    lossMax: Math.max(...reports.map(({ loss }) => loss)),
  };
}

t.test('thinned points are what the steps say: weighted averages, least and greatest', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.integer({ min: 1, max: 64 })), {
        minLength: 1,
        maxLength: 200,
      }),
      (steps) => {
        const history = new StepHistory(10, 0, 8);
        const reports = steps.map(([loss, samples], i) => aStep(i + 1, loss, samples));
        for (const report of reports) history.add(report);
        const points = history.points();
        if (points.length > 8 || (reports.length >= 8 && points.length < 4)) return false;
        let from = 0;
        const stride = points[0].step;
        return points.every((point, i) => {
          const part = reports.slice(from, point.step);
          from = point.step;
          const expected = summary(part);
          return (
            (part.length === stride || i === points.length - 1) &&
            point.lossMin === expected.lossMin &&
            point.lossMax === expected.lossMax &&
            Math.abs(point.loss - expected.loss) <= 1e-8 * Math.max(1, expected.loss)
          );
        });
      },
    ),
    { seed, numRuns: 300 },
  );
  t.end();
});

t.test(
  'ten million steps are at most 2,000 points over the whole run, and cost no more than the last ones',
  (t) => {
    const history = new StepHistory(1000);
    const report = aStep(1);
    let layouts = 0;
    for (let step = 1; step <= 10_000_000; step++) {
      (report as { step: number }).step = step;
      history.add(report);
      if (history.layout !== layouts) {
        layouts = history.layout;
        t.equal(history.length, mostPoints / 2 + 1);
      }
    }
    const points = history.points();
    t.ok(points.length > mostPoints / 2 && points.length <= mostPoints, `${points.length} points`);
    t.equal(points.at(-1)?.step, 10_000_000);
    t.equal(layouts, 13, 'the stride has doubled thirteen times');
    t.equal(points[0].step, 2 ** 13);
    t.end();
  },
);

t.test('epochs are thinned evenly, with the last of them, and each is told once', (t) => {
  const history = new EpochHistory(10);
  for (let epoch = 1; epoch <= 1000; epoch++) {
    const before = history.count;
    history.add(anEpoch(epoch), epoch);
    t.equal(history.points(before).at(-1)?.epoch, epoch, 'who was told all before is told this one');
    t.ok(history.points().length <= 10);
  }
  const epochs = history.points().map(({ epoch }) => epoch);
  t.equal(epochs[0], 1);
  t.equal(epochs.at(-1), 1000);
  const gaps = epochs.slice(1, -1).map((epoch, i) => epoch - epochs[i]);
  t.same(new Set(gaps), new Set([128]));
  t.equal(new EpochHistory().points().length, 0);
  t.ok(mostEpochs <= 1000);
  t.end();
});
