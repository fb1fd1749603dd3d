/** Timelines of real workers with their threads, over real messages. */
import t, { type Test } from 'tap';
import type { StepTimeline } from '../../shared/timeline.ts';
import { bitsOf, syntheticDataset } from '../helpers/train.ts';
import { trainWithWorkers } from '../helpers/workers.ts';

const source = syntheticDataset(20261123, 120, 20);
const recipe = {
  model: 'dense(12) batchnorm relu dense(10)',
  batchSize: 24,
  shardSize: 3,
  epochs: 8,
} as const;

function holdTimeline(t: Test, { step, workers, coordinator }: StepTimeline): void {
  for (const { name, threads } of workers) {
    for (const [rank, segments] of threads.entries()) {
      const used = new Set(segments.map(({ phase }) => phase));
      for (const phase of ['gather', 'forward', 'update', 'waiting'] as const) {
        t.ok(used.has(phase), `step ${step}, ${name}, thread ${rank}: ${phase} of ${[...used]}`);
      }
      const gaps = segments.filter(({ from }, i) => i > 0 && Math.abs(from - segments[i - 1].to) > 1e-6);
      t.same(gaps, [], 'no gaps');
    }
  }
  t.ok(coordinator, 'the coordinator tells of itself');
  const { ms = 0, segments = [], messages = [] } = coordinator ?? {};
  t.ok(
    segments.every(({ from, to }, i) => from <= to && to <= ms && (i === 0 || from >= segments[i - 1].to)),
  );
  t.same(new Set(segments.map(({ phase }) => phase)), new Set(['merging', 'sending', 'update']));
  for (const { id, name } of workers) {
    const own = messages.filter(({ worker }) => worker === id);
    const exchanges = own.map(({ kind, exchange }) => `${kind} ${exchange}`);
    for (const exchange of [0, 1, 2]) {
      t.ok(exchanges.includes(`partial ${exchange}`), `${name}: partial ${exchange}`);
      t.equal(exchanges.filter((one) => one === `total ${exchange}`).length, 1, `${name}: total ${exchange}`);
    }
  }
}

t.test('all workers tell of the same steps, the first among them, and no bit changes', async (t) => {
  const plain = await trainWithWorkers(recipe, source, [{ threads: 1 }]);
  const told: StepTimeline[] = [];
  const workers = [{ threads: 2 }, { threads: 1 }, { threads: 3 }];
  const trained = await trainWithWorkers(recipe, source, workers, { watch: (one) => told.push(one) });
  t.strictSame(bitsOf(trained), bitsOf(plain));
  t.ok(told.length >= 1);
  t.equal(told[0].step, 1);
  for (const one of told) {
    t.same(one.workers.map(({ name, threads }) => `${name}: ${threads.length}`).sort(), [
      'worker 0: 2',
      'worker 1: 1',
      'worker 2: 3',
    ]);
    holdTimeline(t, one);
  }
});

t.test('a thread of a worker that dies while it records costs no more than its record', async (t) => {
  const plain = await trainWithWorkers(recipe, source, [{ threads: 1 }]);
  const told: StepTimeline[] = [];
  const failpoints = [{ rank: 1, step: 0, barrier: 0, action: 'throw' as const }];
  const workers = [{ threads: 2, failpoints }, { threads: 1 }];
  const trained = await trainWithWorkers(recipe, source, workers, { watch: (one) => told.push(one) });
  t.equal(trained.threadDeaths, 1);
  t.strictSame(bitsOf(trained), bitsOf(plain));
  t.equal(told[0]?.step, 1, 'the step was recorded when it was run again');
  for (const { workers } of told) t.equal(workers.length, 2);
});
