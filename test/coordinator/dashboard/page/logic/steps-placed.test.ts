import t from 'tap';
import { stepWidths } from '../../../../../coordinator/dashboard/page/logic/steps-placed.ts';

t.test('steps of much the same length stand on one scale', async (t) => {
  t.same(stepWidths([2, 3, 5], 1000, 150), { widths: [200, 300, 500], isOneScale: true });
  t.same(stepWidths([7], 100, 150), { widths: [100], isOneScale: true }, 'one has all there is');
});

t.test('one slow step leaves the others room to be seen', async (t) => {
  const { widths, isOneScale } = stepWidths([2, 80, 2, 2], 1000, 150);
  t.equal(isOneScale, false);
  t.ok(widths.every((width) => width >= 150));
  t.ok(Math.abs(widths.reduce((sum, width) => sum + width) - 1000) < 1e-9, 'they fill the width');
  t.ok(widths[1] > widths[0]);
});

t.test('what has no length has a width', async (t) => {
  t.same(stepWidths([0, 0], 400, 150), { widths: [150, 150], isOneScale: false });
});
