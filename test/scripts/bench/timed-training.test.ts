/** Training by the clock is training: as many steps of a run, to the same bits. */
import t from 'tap';
import { prepareRun } from '../../../coordinator/prepare.ts';
import { TimedTraining } from '../../../scripts/bench/timed-training.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { takeSnapshot } from '../../../shared/model/snapshot.ts';
import { draftRecipe } from '../../../shared/recipe/resolve.ts';
import { Team } from '../../../worker/team.ts';
import { label, syntheticDataset, train } from '../../helpers/train.ts';

t.test('epochs follow one another as in a run', async (t) => {
  const source = syntheticDataset(3, 60, 20);
  const kernels = loadKernels('auto');
  for (const resetRunningStats of ['never', 'epoch'] as const) {
    const fields = { model: 'dense(6) batchnorm relu dense(10)', batchSize: 20, resetRunningStats };
    const draft = draftRecipe(fields, label);
    const run = await prepareRun({ draft, source, kernels, threads: 1, initial: null, label });
    const team = await Team.start({ setup: run.setup, kernels, memory: run.memory });
    t.teardown(() => team.close());
    const training = new TimedTraining(run, team);
    // One step at a time: no time at all is over after the first.
    for (let step = 1; step <= 9; step++) t.match(await training.run(0), { samples: 20 });
    t.equal(training.steps, 9);
    const { memory, architecture } = run;
    const flat = new Float32Array(memory.buffer, team.replica.flat, architecture.flatSize);
    const whole = await train({ ...fields, epochs: 3 }, { source });
    t.same(takeSnapshot(architecture, flat, new Map()).tensors, whole.snapshot.tensors, resetRunningStats);
  }
});
