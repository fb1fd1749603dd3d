/** Worker processes as a side of a benchmark. */
import t from 'tap';
import type { Configuration } from '../../../scripts/bench/measure.ts';
import { WorkersMeasurement } from '../../../scripts/bench/measure-workers.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../../shared/recipe/resolve.ts';
import { isAlive, survivorsOf } from '../../helpers/process-ids.ts';
import { label, syntheticDataset } from '../../helpers/train.ts';

t.setTimeout(120_000);

/** 320 samples are 5 steps of 4 shards. */
const configuration = (more: RecipeFields = {}): Configuration => ({
  draft: draftRecipe({ model: 'dense(6) batchnorm relu dense(10)', batchSize: 64, ...more }, label),
  source: syntheticDataset(3, 320, 20),
  kernels: loadKernels('auto'),
  threads: 1,
  label,
});
const pidsOf = (side: WorkersMeasurement) => side.pids.map((pid) => pid ?? 0);

t.test('they train whole steps for many epochs, and none is left in the end', async (t) => {
  const side = await WorkersMeasurement.start(configuration({ resetRunningStats: 'epoch' }), 2);
  t.teardown(() => side.close());
  const pids = pidsOf(side);
  t.equal(new Set([...pids, process.pid]).size, 3, 'in processes of their own');
  let samples = 0;
  // Replicas are compared every 64 steps; one that differs would end this.
  while (samples < 150 * 64) {
    const reading = await side.run(0.001);
    t.ok(reading.seconds >= 0.001 && reading.samples % 64 === 0 && reading.samples > 0);
    samples += reading.samples;
  }
  t.ok(pids.every(isAlive));
  await side.close();
  t.same(pids.filter(isAlive), []);
});

t.test('they say where the time of a step goes, and what travels', async (t) => {
  const side = await WorkersMeasurement.start(configuration(), 2);
  t.teardown(() => side.close());
  const { worker, coordinator, ...bytes } = await side.profile(0.05);
  const { computing, rest } = worker;
  const { merging, sending, update, waiting } = coordinator;
  for (const [name, seconds] of Object.entries({ ...worker, ...coordinator }))
    t.ok(seconds > 0 && seconds < 1, `${name}: ${seconds} s`);
  const [one, other] = [computing + rest, merging + sending + update + waiting];
  t.ok(Math.abs(one - other) < 1e-9, `a step of ${one} s at both ends`);
  // 4 shards: two workers send 1 to 3 nodes together with 3 or 1, or 2 and 2.
  t.ok(bytes.gradients >= 1 && bytes.gradients <= 1.5, `${bytes.gradients} gradients a worker`);
  t.ok(bytes.gradientBytes >= 4 * (784 * 6 + 6 + 6 * 10 + 10 + 2 * 6));
  const sum = (gradients: number, besides: number) => gradients * bytes.gradientBytes * (1 + besides);
  t.ok(Math.abs(sum(bytes.gradients, bytes.besidesUp) - bytes.bytesUp) < 1);
  t.ok(Math.abs(sum(1, bytes.besidesDown) - bytes.bytesDown) < 1);
  t.ok(bytes.besidesUp > 0 && bytes.besidesDown > 0);
});

t.test('one that is killed ends the measurement, which says so; the other one ends with it', async (t) => {
  const side = await WorkersMeasurement.start(configuration(), 2);
  const pids = pidsOf(side);
  const running = side.run(600);
  process.kill(pids[0], 'SIGKILL');
  await t.rejects(running, { code: 'WORKERS', message: 'worker 1 ended with SIGKILL' });
  await side.close();
  t.same(await survivorsOf(pids), []);
});

t.test('a training that diverges says so', async (t) => {
  const starting = WorkersMeasurement.start(configuration({ optimizer: 'sgd(lr=1e38)' }), 1).then((side) => {
    t.teardown(() => side.close());
    return side.run(600);
  });
  await t.rejects(starting, { code: 'DIVERGED', message: /diverged \(batch 64, .*NaN or infinity in/ });
});
