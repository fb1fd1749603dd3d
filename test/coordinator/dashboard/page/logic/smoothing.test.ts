/** Smoothing. */
import t from 'tap';
import { smoothed } from '../../../../../coordinator/dashboard/page/logic/smoothing.ts';

t.test('a weight of zero leaves a curve as it is', (t) => {
  t.same(smoothed([3, null, 1, 2], 0), [3, null, 1, 2]);
  t.end();
});

t.test('a constant stays what it is from its first point on', (t) => {
  for (const value of smoothed([5, 5, null, 5], 0.9)) {
    t.ok(value === null || Math.abs(value - 5) < 1e-12, String(value));
  }
  t.end();
});

t.test('each point is the average of those before, weighted by powers', (t) => {
  const values = [4, 1, 7, 2];
  const weight = 0.6;
  const expected = values.map((_, n) => {
    const powers = values.slice(0, n + 1).map((_, i) => weight ** (n - i));
    const sum = powers.reduce((sum, power, i) => sum + power * values[i], 0);
    return sum / powers.reduce((sum, power) => sum + power, 0);
  });
  for (const [n, value] of smoothed(values, weight).entries()) {
    t.ok(Math.abs((value ?? Number.NaN) - expected[n]) < 1e-12);
  }
  t.end();
});
