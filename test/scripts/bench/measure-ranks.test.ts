/** Ranks of MPI as a side of a benchmark, under every mpirun that is here. */
import { basename } from 'node:path';
import t from 'tap';
import { RanksMeasurement } from '../../../scripts/bench/measure-ranks.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../../shared/recipe/resolve.ts';
import { mpirunsHere } from '../../helpers/mpiruns.ts';
import { isAlive, survivorsOf } from '../../helpers/process-ids.ts';
import { writeTinyData } from '../../helpers/tiny-data.ts';
import { label } from '../../helpers/train.ts';

t.setTimeout(180_000);

for (const mpirun of mpirunsHere(t)) {
  t.test(basename(mpirun), async (t) => {
    // Epochs of 512 steps of 16 of 60 samples, again and again.
    const data = writeTinyData(t.testdir());
    const start = (more: RecipeFields = {}) => {
      const model = 'dense(6) batchnorm relu dense(10)';
      const fields: RecipeFields = { model, data, batchSize: 16, shardSize: 4, ...more };
      return RanksMeasurement.start({ draft: draftRecipe(fields, label), kernels: loadKernels('auto') }, 2, {
        mpirun,
        windows: true,
      });
    };

    t.test('they train whole steps, over the end of an epoch, and none is left in the end', async (t) => {
      const side = await start({ resetRunningStats: 'epoch' });
      t.teardown(() => side.close());
      t.equal(new Set([...side.pids, process.pid]).size, 3, 'in processes of their own');
      let samples = 0;
      while (samples < 600 * 16) {
        const reading = await side.run(0.02);
        t.ok(reading.seconds >= 0.02 && reading.samples % 16 === 0 && reading.samples > 0);
        samples += reading.samples;
      }
      t.ok(side.pids.every(isAlive));
      await side.close();
      t.same(await survivorsOf(side.pids), []);
    });

    t.test(
      'one that is killed ends the measurement, which says so; the other one ends with it',
      async (t) => {
        const side = await start();
        const running = side.run(600);
        process.kill(side.pids[1], 'SIGKILL');
        await t.rejects(running, { code: 'MPI' });
        await side.close();
        t.same(await survivorsOf(side.pids), []);
      },
    );

    t.test('a training that diverges says so', async (t) => {
      const running = start({ optimizer: 'sgd(lr=1e38)' }).then((side) => {
        t.teardown(() => side.close());
        return side.run(600);
      });
      await t.rejects(running, { code: 'DIVERGED', message: /diverged \(batch 16, .*NaN or infinity in/ });
    });
  });
}
