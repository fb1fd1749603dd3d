/** How steps become points. */
import t from 'tap';
import { Curve } from '../../../scripts/tensorboard/curve.ts';

const step = (number: number, samples: number, loss: number, accuracy: number, seconds: number) => ({
  epoch: 1,
  step: number,
  samples,
  loss,
  accuracy,
  seconds,
  digest: '',
});

function curveAt(startMs: number) {
  let ms = startMs;
  const curve = new Curve(() => ms, 250);
  return {
    curve,
    after: (passed: number) => {
      ms += passed;
    },
  };
}

t.test('a point is the average over the samples of its steps, at the last of them', (t) => {
  const { curve, after } = curveAt(1000);
  t.equal(curve.add([step(1, 30, 4, 0.5, 0.2)]), null, 'too early');
  after(249);
  t.equal(curve.add([step(2, 30, 2, 0.6, 0.3)]), null, 'still');
  after(1);
  t.same(curve.add([step(3, 10, 1, 1, 0.2)]), {
    step: 3,
    loss: (30 * 4 + 30 * 2 + 10) / 70,
    accuracy: (15 + 18 + 10) / 70,
    samplesPerSecond: 70 / (0.2 + 0.3 + 0.2),
  });
  after(249);
  t.equal(curve.add([step(4, 8, 3, 0.25, 0.5)]), null, 'the next one is as far away');
  t.same(curve.take(), { step: 4, loss: 3, accuracy: 0.25, samplesPerSecond: 16 }, 'unless it is asked for');
  t.equal(curve.take(), null, 'no steps, no point');
  after(9999);
  t.equal(curve.add([]), null);
  t.end();
});

t.test('steps that take longer than the distance of points are points of their own', (t) => {
  const { curve, after } = curveAt(0);
  for (let number = 1; number < 5; number++) {
    after(400);
    t.match(curve.add([step(number, 64, number, 0.5, 0.4)]), { step: number, loss: number });
  }
  t.end();
});

t.test('however many steps there are, there are at most four points a second', (t) => {
  const { curve, after } = curveAt(0);
  let points = 0;
  for (let number = 1; number <= 100_000; number++) {
    after(0.1);
    if (curve.add([step(number, 64, 1, 0.5, 1e-4)]) !== null) points += 1;
  }
  t.ok(points <= 40 && points >= 38, `${points} in 10 s`);
  t.end();
});
