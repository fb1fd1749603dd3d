/** The time of a step, phase by phase. */
import t from 'tap';
import { phaseTimes, stepLength } from '../../../../../coordinator/dashboard/page/logic/phase-times.ts';
import { phases } from '../../../../../shared/timeline.ts';

const segments = [
  { phase: 'forward', from: 0, to: 2 },
  { phase: 'waiting', from: 2, to: 3 },
  { phase: 'forward', from: 3, to: 3.5 },
] as const;

t.test('segments of a phase add up, and every phase is there', (t) => {
  const times = phaseTimes(segments);
  t.same([...times.keys()], phases);
  t.same([times.get('forward'), times.get('waiting'), times.get('update')], [2.5, 1, 0]);
  t.end();
});

t.test('a step is as long as its slowest thread', (t) => {
  t.equal(stepLength([{ threads: [segments.slice(0, 1)] }, { threads: [[], segments] }]), 3.5);
  t.equal(stepLength([]), 0);
  t.end();
});
