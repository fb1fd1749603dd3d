import t from 'tap';
import { type WorkersTotals, workersStep } from '../../../scripts/bench/workers-step.ts';

t.test('what two workers did in ten steps, a step and worker', (t) => {
  const before: WorkersTotals = {
    steps: 5,
    computing: 1,
    coordinator: { merging: 1, sending: 2, update: 3 },
    travel: { workerSteps: 10, bytesUp: 500, bytesDown: 600, gradients: 20, gradientBytes: 64 },
  };
  const after: WorkersTotals = {
    steps: 15,
    computing: 9,
    coordinator: { merging: 2.25, sending: 4.5, update: 4.25 },
    travel: { workerSteps: 30, bytesUp: 2100, bytesDown: 2040, gradients: 40, gradientBytes: 64 },
  };
  t.same(workersStep(before, after, 10), {
    worker: { computing: 0.4, rest: 0.6 },
    coordinator: { merging: 0.125, sending: 0.25, update: 0.125, waiting: 0.5 },
    bytesUp: 80,
    bytesDown: 72,
    gradients: 1,
    gradientBytes: 64,
    besidesUp: 0.25,
    besidesDown: 0.125,
  });
  t.end();
});
