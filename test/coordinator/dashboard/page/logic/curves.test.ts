/** Steps and epochs on one axis. */
import t from 'tap';
import { axes, joined } from '../../../../../coordinator/dashboard/page/logic/curves.ts';
import { shownEpochs, shownPoints, stepsOfEpoch } from '../../../../helpers/shown-run.ts';

t.test('points of steps and epochs stand in one order, those of one step in one row', (t) => {
  const points = shownPoints(3 * stepsOfEpoch, 67); // 938 is 14 · 67
  const epochs = shownEpochs(3);
  for (const axis of axes) {
    const rows = joined(points, epochs, axis);
    t.same(
      rows.flatMap(({ step }) => step ?? []),
      points,
    );
    t.same(
      rows.flatMap(({ epoch }) => epoch ?? []),
      epochs,
    );
    t.equal(rows.length, points.length, 'every epoch ends with a point');
    t.ok(
      rows.every(({ place }, i) => i === 0 || place > rows[i - 1].place),
      axis,
    );
  }
  t.end();
});

t.test('an epoch that no point ends with has a row of its own', (t) => {
  const rows = joined(shownPoints(2_000, 100), shownEpochs(2), 'step');
  t.same(
    rows.filter(({ step }) => step === null).map(({ place }) => place),
    [938, 1_876],
  );
  t.ok(rows.every(({ place }, i) => i === 0 || place > rows[i - 1].place));
  t.same(
    joined([], shownEpochs(2), 'epoch').map(({ place }) => place),
    [1, 2],
  );
  t.end();
});
