/** What is believed of a worker's speed after some steps. */
import t from 'tap';
import { SpeedMeter } from '../../coordinator/speed-meter.ts';

/** A meter that saw so many steps of worker `a` at a speed. */
function meterAt(shardsPerSecond: number, steps = 10): SpeedMeter {
  const meter = new SpeedMeter();
  for (let step = 0; step < steps; step++) meter.observe('a', step, 4, 4 / shardsPerSecond);
  return meter;
}

/** Whether a worker's speed is this but for rounding. */
function isAbout(meter: SpeedMeter, step: number, expected: number): boolean {
  return Math.abs((meter.shardsPerSecond('a', step) ?? 0) / expected - 1) < 1e-9;
}

t.test('a speed is known from the third measurement on, for each worker by itself', (t) => {
  t.equal(new SpeedMeter().shardsPerSecond('a', 0), null);
  t.equal(meterAt(100, 2).shardsPerSecond('a', 2), null);
  const meter = meterAt(100, 3);
  t.ok(isAbout(meter, 3, 100));
  t.equal(meter.shardsPerSecond('b', 3), null);
  t.end();
});

t.test('the number of shards does not matter, only what one takes', (t) => {
  const meter = new SpeedMeter();
  for (const [step, shards] of [1, 7, 32, 2, 5].entries()) meter.observe('a', step, shards, shards / 250);
  t.ok(isAbout(meter, 5, 250));
  t.end();
});

t.test('one measurement that is off changes nothing, a second one does', (t) => {
  for (const outlier of [1e-3, 1e3]) {
    const meter = meterAt(100);
    meter.observe('a', 10, 4, outlier);
    t.ok(isAbout(meter, 11, 100), `after ${outlier} s`);
    meter.observe('a', 11, 4, 0.04);
    meter.observe('a', 12, 4, 0.04);
    t.ok(isAbout(meter, 13, 100), 'and when it leaves the window');
    meter.observe('a', 13, 4, outlier);
    meter.observe('a', 14, 4, outlier);
    t.notOk(isAbout(meter, 15, 100));
  }
  const slowStart = new SpeedMeter();
  slowStart.observe('a', 0, 4, 5);
  for (let step = 1; step < 3; step++) slowStart.observe('a', step, 4, 0.04);
  t.ok(isAbout(slowStart, 3, 100), 'the first step is slow, as code is not compiled yet');
  t.end();
});

t.test('a speed that really changed is followed within some steps, without a jump', (t) => {
  const meter = meterAt(100);
  const seen: number[] = [];
  for (let step = 10; step < 40; step++) {
    meter.observe('a', step, 4, 4 / 50);
    seen.push(meter.shardsPerSecond('a', step + 1) ?? 0);
  }
  t.ok(
    seen.every((speed, i) => speed <= (seen[i - 1] ?? 100)),
    'steadily',
  );
  t.ok(seen[1] > 80, 'not at once');
  t.ok(Math.abs(seen[15] / 50 - 1) < 0.05, 'within 5 % after 16 steps');
  t.ok(Math.abs(seen[29] / 50 - 1) < 0.002);
  t.end();
});

t.test('measurements that cannot be are left out', (t) => {
  const meter = meterAt(100);
  for (const [shards, seconds] of [
    [0, 1],
    [4, 0],
    [4, -1],
    [Number.NaN, 1],
    [4, Number.NaN],
    [4, Number.POSITIVE_INFINITY],
  ]) {
    for (let step = 10; step < 15; step++) meter.observe('a', step, shards, seconds);
  }
  t.ok(isAbout(meter, 15, 100));
  t.end();
});

t.test(
  'a worker without work is believed to get faster after a while, and measured anew when it is tried',
  (t) => {
    const meter = meterAt(1);
    t.ok(isAbout(meter, 25, 1), 'not at once');
    const later = meter.shardsPerSecond('a', 500) ?? 0;
    t.ok(later > 50 && later < 200, `${later} after 500 steps`);
    t.ok(Number.isFinite(meter.shardsPerSecond('a', 1e9)), 'never beyond all bounds');
    meter.observe('a', 500, 1, 2);
    t.ok(isAbout(meter, 501, 0.5), 'what it is now, be it slower');
    const faster = meterAt(1);
    faster.observe('a', 500, 1, 0.01);
    t.ok(isAbout(faster, 501, 100), 'or faster');
    t.end();
  },
);

t.test('a worker that is gone is forgotten', (t) => {
  const meter = meterAt(100);
  meter.forget('a');
  t.equal(meter.shardsPerSecond('a', 10), null);
  t.end();
});
