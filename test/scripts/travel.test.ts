import t from 'tap';
import { besidesOf, travelOf, travelText } from '../../scripts/travel.ts';

const worker = (steps: number, gradients: number) => ({
  ...{ name: 'w', threads: 1, shards: 2, seconds: 1, bytesUp: 9e9, bytesDown: 9e9 },
  ...{ steps, gradients, gradientBytes: 10_000 },
  ...{ bytesUpPerStep: (10_100 * gradients) / steps, bytesDownPerStep: 10_200 },
});

t.test('what steps took is added up over workers that were there for more or fewer of them', (t) => {
  const travel = travelOf([worker(10, 10), worker(5, 20)]);
  t.same(travel, {
    workerSteps: 15,
    bytesUp: 303_000,
    bytesDown: 153_000,
    gradients: 30,
    gradientBytes: 10_000,
  });
  const { up, down } = besidesOf(travel);
  t.ok(Math.abs(up - 0.01) < 1e-12 && Math.abs(down - 0.02) < 1e-12, `${up}, ${down}`);
  t.same(travelText(travel), {
    up: '20.2 kB a step and worker: 2.00 gradients, 1.00 % besides',
    down: '10.2 kB a step and worker: the total, 2.00 % besides',
  });
  t.end();
});

t.test('of threads of this process there is nothing to say', (t) => {
  const thread = { name: 'thread 0', threads: 1, shards: 2, seconds: 1 };
  t.equal(travelText(travelOf([thread])), null);
  t.equal(travelText(travelOf([])), null);
  t.equal(travelOf([thread, worker(10, 10)]).workerSteps, 10);
  t.end();
});
