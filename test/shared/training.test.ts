/** The steps of one thread, without a team around it. */
import t from 'tap';
import { loadKernels } from '../../shared/kernels/load.ts';
import { newMemory } from '../../shared/model/memory-plan.ts';
import { resetRunningStats } from '../../shared/model/snapshot.ts';
import { soloGroup } from '../../shared/reduction/group.ts';
import { type Progress, planSetup, type Setup, Training } from '../../shared/training.ts';

const samples = 40;

/** A net whose scratch of 16 MB a thread makes the plan as large as the number of threads says. */
function setupFor(threads: number): Setup {
  return {
    input: [1, 28, 28],
    classes: 10,
    model: 'dense(2000) relu dense(2000) batchnorm dense(10)',
    optimizer: 'sgd(lr=0.1,momentum=0.9)',
    batchNorm: 'sync',
    sizes: {
      samples: { train: samples, test: samples },
      epochSamples: samples,
      batchSize: 16,
      shardSize: 8,
      threads,
    },
  };
}

/** Trains an epoch alone over a memory that is planned for `threads`; the losses of its steps. */
function lossesIn(threads: number): { losses: number[]; bytes: number; evaluated: number } {
  const setup = setupFor(threads);
  const { plan, architecture } = planSetup(setup);
  const memory = newMemory(plan); // only what is touched becomes resident
  const bytes = new Uint8Array(memory.buffer);
  for (const split of [plan.train, plan.test]) {
    for (let i = 0; i < samples * 784; i++) bytes[split.images + i] = (i * 7919) % 256;
    for (let i = 0; i < samples; i++) bytes[split.labels + i] = i % 10;
  }
  new Uint32Array(memory.buffer, plan.order, samples).forEach((_, i, order) => {
    order[i] = samples - 1 - i;
  });
  new Float32Array(memory.buffer, plan.scaleTable, 256).forEach((_, i, table) => {
    table[i] = i / 255;
  });
  const flat = new Float32Array(memory.buffer, plan.replicas[0].flat, architecture.flatSize);
  flat.forEach((_, i) => {
    flat[i] = Math.fround((((i * 31) % 101) - 50) / 2000);
  });
  resetRunningStats(architecture, flat);
  const training = new Training(setup, loadKernels('auto'), memory, 0, 1);
  const losses: number[] = [];
  const progress: Progress & { committed: number } = {
    committed: 0,
    begin: () => {},
    commit: (_step, { loss }) => {
      losses.push(loss);
      progress.committed += 1;
      return true;
    },
  };
  training.nonFinite.clear();
  training.trainSteps(soloGroup(), 0, 3, progress);
  training.evaluate('test', progress.committed, () => {});
  const evaluated = new Float32Array(memory.buffer, plan.evaluationLosses, 1)[0];
  return { losses, bytes: plan.bytes, evaluated };
}

t.test('a memory of more than 2 GiB, whose offsets are no signed 32-bit numbers, gives the same', (t) => {
  const small = lossesIn(1);
  const large = lossesIn(200);
  t.ok(large.bytes > 2 ** 31, `${Math.round(large.bytes / 2 ** 20)} MiB`);
  t.equal(small.losses.length, 3);
  t.ok(small.losses.every((loss) => loss > 0));
  t.same(large.losses, small.losses);
  t.ok(small.evaluated > 0);
  t.equal(large.evaluated, small.evaluated);
  t.end();
});
