import t from 'tap';
import { LossHistory, sparkline } from '../../../scripts/commands/loss-history.ts';

t.test('few losses are all there, and many are averages of as many each', (t) => {
  const history = new LossHistory();
  t.same(history.points(10), []);
  for (const loss of [4, 3, 2, 1]) history.add(loss);
  t.same(history.points(10), [4, 3, 2, 1]);
  t.same(history.points(3), [3.5, 1.5]);
  t.same(history.points(1), [2.5]);
  t.same(history.points(0), [2.5], 'there is always one');
  t.end();
});

t.test('a run of any length takes little room, and none of it is left out', (t) => {
  const history = new LossHistory();
  const steps = 2 ** 20;
  for (let step = 0; step < steps; step++) history.add(step);
  const points = history.points(Number.POSITIVE_INFINITY);
  t.ok(points.length <= 256 && points.length >= 128, `${points.length} points`);
  t.equal(
    points.reduce((sum, point) => sum + point, 0) / points.length,
    (steps - 1) / 2,
    'the average of all',
  );
  t.same(
    points,
    points.toSorted((a, b) => a - b),
    'in order',
  );
  t.end();
});

t.test('what is drawn stays where it is while more comes', (t) => {
  const history = new LossHistory();
  const lengths = new Set<number>();
  let before: readonly number[] = [];
  for (let step = 0; step < 5000; step++) {
    history.add(step);
    const points = history.points(50);
    t.ok(points.length <= 50);
    lengths.add(points.length);
    // A pair of which one half was there becomes a whole one; all others stay, or are halved at once.
    if (points.length >= before.length) t.same(points.slice(0, before.length - 1), before.slice(0, -1));
    before = points;
  }
  t.ok(lengths.has(50) && lengths.has(26), 'it was halved');
  t.end();
});

t.test('heights go by logarithms', (t) => {
  t.equal(sparkline([100, 10, 1]), '█▅▁');
  t.equal(sparkline([1, 1]), '▁▁');
  t.equal(sparkline([1, 0]), '█▁', 'a loss of nothing is the lowest');
  t.equal(sparkline([]), '');
  t.end();
});
