/** Steps counted by how long they took. */
import t from 'tap';
import { StepTimes, stepLimits } from '../../coordinator/step-times.ts';

t.test('a step counts under the first limit that is not below it, or beyond all', (t) => {
  const times = new StepTimes();
  const longest = stepLimits[stepLimits.length - 1];
  for (const seconds of [0, stepLimits[0], stepLimits[0] * 1.01, longest, longest * 2]) times.add(seconds);
  t.same(times.counts, [2, 1, ...new Array(stepLimits.length - 3).fill(0), 1, 1]);
  t.equal(times.count, 5);
  t.ok(Math.abs(times.sum - (stepLimits[0] * 2.01 + longest * 3)) < 1e-9);
  t.end();
});
