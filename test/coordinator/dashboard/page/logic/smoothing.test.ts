/** Smoothing. */
import t from 'tap';
import { smoothed } from '../../../../../coordinator/dashboard/page/logic/smoothing.ts';
import { randomNumbers } from '../../../../helpers/reference/random-data.ts';

const counted = (values: readonly unknown[]): number[] => values.map((_, i) => i + 1);

t.test('a weight of zero leaves a curve as it is', (t) => {
  t.same(smoothed([3, null, 1, 2], [1, 2, 3, 4], 0, 1), [3, null, 1, 2]);
  t.end();
});

t.test('a constant stays what it is from its first point on', (t) => {
  for (const value of smoothed([5, 5, null, 5], [2, 5, 6, 40], 0.9, 3)) {
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
  for (const [n, value] of smoothed(values, counted(values), weight, 1).entries()) {
    t.ok(Math.abs((value ?? Number.NaN) - expected[n]) < 1e-12);
  }
  t.end();
});

t.test('a curve stays where it is when neighbours become one', (t) => {
  const random = randomNumbers(3);
  const values = Array.from({ length: 2_000 }, (_, i) => 2 * (1 + i / 100) ** -0.7 + 0.3 * random());
  const [weight, reference] = [0.9, 4];
  const fine = smoothed(values, counted(values), weight, reference);
  const pairs = Array.from({ length: 1_000 }, (_, i) => (values[2 * i] + values[2 * i + 1]) / 2);
  const ends = pairs.map((_, i) => 2 * i + 2);
  const thinned = smoothed(pairs, ends, weight, reference);
  // A pair a, b counts (1 − k)(k·a + b) in one and (1 − k²)(a + b)/2 in the other, with k for one step. They differ by
  // (1 − k)²(b − a)/2, and all pairs together, each k² of the next, by (1 − k)/(1 + k) · max|b − a|/2 at most.
  const kept = weight ** (1 / reference);
  const most = Math.max(...pairs.map((_, i) => Math.abs(values[2 * i] - values[2 * i + 1])));
  const bound = ((1 - kept) / (1 + kept)) * (most / 2);
  const apart = ends.map((step, i) => Math.abs((thinned[i] ?? Number.NaN) - (fine[step - 1] ?? Number.NaN)));
  t.ok(Math.max(...apart) <= bound + 1e-12, `${Math.max(...apart)} of ${bound}`);
  t.ok(most > 20 * bound, 'which is little beside the noise');
  t.end();
});
