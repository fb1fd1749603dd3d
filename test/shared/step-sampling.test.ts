import t from 'tap';
import { StepSampling } from '../../shared/step-sampling.ts';

/** What is chosen after a run has gone on for so long at a speed, looked at every so often. */
function everyAt(stepsPerSecond: number, perSecond: number, { seconds = 3, lookMs = 100 } = {}): number {
  const sampling = new StepSampling(perSecond);
  for (let ms = 0; ms <= 1000 * seconds; ms += lookMs) {
    sampling.note(Math.floor((stepsPerSecond * ms) / 1000), ms);
  }
  return sampling.every;
}

t.test('it chooses the least power of two that does not come more often than wanted', (t) => {
  for (const speed of [0.1, 1, 3, 10, 300, 4300, 1e6]) {
    for (const perSecond of [0.5, 2, 20]) {
      const every = everyAt(speed, perSecond, { seconds: 30 });
      const what = `${every} at ${speed} steps a second, ${perSecond} wanted`;
      t.equal(2 ** Math.round(Math.log2(every)), every, what);
      t.ok(every === 1 || speed / every <= perSecond * 1.05, what);
      t.ok(every === 1 || speed / every >= 0.47 * perSecond, what);
    }
  }
  t.end();
});

t.test('before the speed is known it takes every step', (t) => {
  const sampling = new StepSampling(2);
  t.equal(sampling.every, 1);
  sampling.note(1000, 0);
  t.equal(sampling.every, 1, 'steps that were done before say nothing');
  sampling.note(1001, 100);
  t.equal(sampling.every, 1);
  t.end();
});

t.test('a run that is much faster than wanted is seen at once, and one that grows slower later', (t) => {
  const sampling = new StepSampling(2);
  sampling.note(0, 0);
  sampling.note(400, 100);
  t.equal(sampling.every, 2048);
  sampling.note(2000, 500);
  t.equal(sampling.every, 2048);
  sampling.note(2003, 1500);
  t.equal(sampling.every, 2);
  sampling.note(2003, 60_000);
  t.equal(sampling.every, 2, 'a pause says nothing');
  t.end();
});

t.test('a run of a few steps has all of them taken, however fast it is', (t) => {
  const sampling = new StepSampling(2);
  for (let step = 0; step < 16; step++) {
    sampling.note(step, 100 * step);
    t.equal(sampling.every, 1);
  }
  sampling.note(16, 1600);
  t.equal(sampling.every, 8);
  t.end();
});

t.test('a run that goes back begins anew', (t) => {
  const sampling = new StepSampling(2);
  sampling.note(5000, 0);
  sampling.note(10, 1000);
  sampling.note(26, 2000);
  t.equal(sampling.every, 8);
  t.end();
});
