/** A training that leaves the finite numbers ends with the same words, at once, wherever it is computed. */
import t from 'tap';
import { coordinate } from '../../coordinator/coordinator.ts';
import { LockstepError } from '../../shared/errors.ts';
import type { KernelSet } from '../../shared/kernels/load.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { startTraining, syntheticDataset } from '../helpers/train.ts';

t.setTimeout(120_000);

const source = syntheticDataset(13, 60, 131);
const base: RecipeFields = { batchSize: 24, shardSize: 5, epochs: 3, optimizer: 'sgd(lr=1e30)' };

/** What a training ends with, and the threads that did not live to see it. */
async function endOf(fields: RecipeFields, threads: number, kernels: KernelSet) {
  // Should threads wait for one that has left already, this makes it short.
  const { run, team } = await startTraining(fields, { source, threads, kernels, threadTimeoutMs: 2000 });
  try {
    await coordinate(run, team, {});
    return { message: `it did not diverge in ${team.committed} steps`, deaths: team.deaths };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    const { code, exitCode, message } = error;
    return { code, exitCode, message, steps: team.committed, deaths: team.deaths };
  } finally {
    await team.close();
  }
}

const cases: { name: string; fields: RecipeFields; steps: number; place: RegExp }[] = [
  {
    name: 'sync: in a shard of the first exchange after the update',
    fields: { ...base, model: 'dense(17) batchnorm relu dense(10)' },
    steps: 1,
    place: /the batch moments of layer 1 \(batchnorm\) of shard 0/,
  },
  {
    name: 'ghost: in the loss, moments are not exchanged',
    fields: { ...base, batchNorm: 'ghost', model: 'dense(17) batchnorm relu dense(10)' },
    steps: 1,
    place: /the loss of shard 0/,
  },
  {
    name: 'in the first update, from a gradient that was finite',
    fields: { ...base, optimizer: 'sgd(lr=0.1,weightDecay=3e38)', init: 'normal(std=5)', model: 'dense(10)' },
    steps: 0,
    place: /the total of the update/,
  },
  {
    name: 'from numbers that were no good to begin with',
    fields: { ...base, init: 'normal(std=3e38)', model: 'dense(17) batchnorm relu dense(10)' },
    steps: 0,
    place: /the batch moments of layer 1 \(batchnorm\) of shard 0/,
  },
];

for (const { name, fields, steps, place } of cases) {
  t.test(`${name}: the same error for 1, 2, 3 and 5 threads, wasm and exact`, async (t) => {
    const alone = await endOf(fields, 1, 'wasm');
    t.match(alone, { code: 'DIVERGED', exitCode: 1, steps, deaths: 0 });
    t.match(alone.message, new RegExp(`^training diverged at step ${steps + 1} \\(epoch 1\\): `));
    t.match(alone.message, place);
    for (const kernels of ['wasm', 'exact'] as const) {
      for (const threads of [1, 2, 3, 5]) {
        t.strictSame(await endOf(fields, threads, kernels), alone, `${threads} threads, ${kernels}`);
      }
    }
  });
}
