/** Steps of a real team as its listeners are told of them: whatever happens to threads, and to no bit's cost. */
import { EventEmitter, once } from 'node:events';
import t from 'tap';
import type { LiveRun } from '../../coordinator/live-run.ts';
import { phases, type StepTimeline } from '../../shared/timeline.ts';
import { bitsOf, startTraining, syntheticDataset, train } from '../helpers/train.ts';

const source = syntheticDataset(11, 60, 40);
// Wide enough that no phase is shorter than what is recorded, 2 us, on a fast machine.
const recipe = {
  model: 'dense(300) batchnorm relu dense(300) batchnorm relu dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 3,
} as const;
const everyStep = { perSecond: 1e9, burst: 1e9 };

for (const threads of [1, 2, 3]) {
  t.test(
    `${threads} threads: each step is told once, with the time of every thread; the bits stay`,
    async (t) => {
      const plain = await train(recipe, { source, threads });
      const told: StepTimeline[] = [];
      const onStart = (_: unknown, live: LiveRun) => void live.watchSteps((one) => told.push(one), everyStep);
      const beginMs = performance.now();
      const watched = await train(recipe, { source, threads, hooks: { onStart } });
      const endMs = performance.now();
      t.strictSame(bitsOf(watched), bitsOf(plain));
      t.same(
        told.map(({ step }) => step),
        Array.from({ length: 9 }, (_, i) => i + 1),
      );
      for (const { step, workers } of told) {
        t.match(workers, [{ id: 'here', name: 'this process', threads: { length: threads } }]);
        const [{ startMs, threads: timelines }] = workers;
        t.ok(startMs >= beginMs && startMs <= endMs, `step ${step} began while it was trained`);
        t.equal(Math.min(...timelines.map(([first]) => first.from)), 0);
        for (const [rank, segments] of timelines.entries()) {
          const last = segments[segments.length - 1];
          t.ok(startMs + last.to <= endMs, `thread ${rank} was done before the end`);
          const gaps = segments.filter(({ from }, i) => i > 0 && from !== segments[i - 1].to);
          t.same(gaps, []);
          const used = new Set(segments.map(({ phase }) => phase));
          for (const phase of ['gather', 'forward', 'backward'] as const) {
            t.ok(used.has(phase), `step ${step}, thread ${rank}: ${phase} of ${[...used]}`);
          }
          t.ok(segments.every(({ phase }) => phases.includes(phase)));
        }
      }
    },
  );
}

for (const action of ['throw', 'exit'] as const) {
  t.test(`a thread that dies by ${action} while it records costs nothing but its record`, async (t) => {
    const plain = await train(recipe, { source, threads: 2 });
    const told: StepTimeline[] = [];
    const onStart = (_: unknown, live: LiveRun) => void live.watchSteps((one) => told.push(one), everyStep);
    const failpoints = [{ rank: 1, step: 1, barrier: 2, action }];
    const trained = await train(recipe, { source, threads: 2, failpoints, hooks: { onStart } });
    t.equal(trained.deaths, 1);
    t.strictSame(bitsOf(trained), bitsOf(plain));
    const steps = told.map(({ step }) => step);
    t.same(steps, [...new Set(steps)], 'no step is told twice');
    // What had been recorded before the death may be gone; the step that was run again and all others are told.
    for (const step of [2, 3, 4, 5, 6, 7, 8, 9]) t.ok(steps.includes(step), `step ${step} of ${steps}`);
    t.ok(told.every(({ workers }) => workers[0].threads.length === 2));
  });
}

t.test('listeners come and go; with the last one it is switched off', async (t) => {
  const { run, team } = await startTraining(recipe, { source, threads: 2 });
  t.teardown(() => team.close());
  const events = new EventEmitter();
  const seen: string[] = [];
  const listen = (name: string, rate?: Parameters<typeof team.watchSteps>[1]) =>
    team.watchSteps(({ step }) => {
      seen.push(`${name} ${step}`);
      events.emit(name);
    }, rate);
  const stopAll = listen('all', everyStep);
  const stopSome = listen('some', { perSecond: 1e-9, burst: 1 });
  let all = once(events, 'all');
  await team.trainSteps(0, 1);
  await all;
  t.same(seen.sort(), ['all 1', 'some 1']);
  all = once(events, 'all');
  await team.trainSteps(1, 2);
  await all;
  t.equal(seen.at(-1), 'all 2', 'the other has had its share');
  t.equal(seen.length, 3);
  stopAll();
  stopAll();
  stopSome();
  await team.trainSteps(2, run.steps);
  t.same(team.recorded(), [], 'nothing is recorded');
  const again = once(events, 'again');
  listen('again', everyStep);
  await team.trainSteps(0, 1);
  await again;
  t.equal(seen.at(-1), 'again 4');
  t.equal(seen.length, 4);
});

t.test('a listener that is there when the team ends is told of the last step', async (t) => {
  const { team } = await startTraining(recipe, { source, threads: 2 });
  const told: number[] = [];
  team.watchSteps(({ step }) => told.push(step), everyStep);
  await team.trainSteps(0, 3);
  await team.close();
  t.same(told, [1, 2, 3]);
});
