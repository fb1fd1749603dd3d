/**
 * One rank of a job in which MPI fails in the middle of the training: `node spoiled-rank.js RANK RECIPE`. After the first epoch
 * that rank is to send −1 bytes to each, which MPI refuses.
 */
import { prepareRun } from '../../coordinator/prepare.ts';
import { MpiJob } from '../../scripts/mpi-job.ts';
import { trainWithRanks } from '../../scripts/mpi-training.ts';
import { LockstepError } from '../../shared/errors.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { rankPlaceOf } from '../../shared/model/rank-plan.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { label, syntheticDataset } from './train.ts';

const [spoiled, recipe] = process.argv.slice(2);
const job = await MpiJob.open({
  file: null,
  launch: null,
  startMs: 60_000,
  exchangeMs: 60_000,
  windows: false,
});
try {
  const run = await prepareRun({
    draft: draftRecipe(JSON.parse(recipe), label),
    source: syntheticDataset(20261124, 60, 20),
    kernels: loadKernels('wasm'),
    threads: 2,
    ranks: job.ranks,
    initial: null,
    label,
  });
  const onEpoch = () => {
    if (job.world.rank !== Number(spoiled)) return;
    // The first of all tables: how much of the gradient goes to each rank.
    const counts = new Int32Array(run.memory.buffer, rankPlaceOf(run.plan).tables, job.ranks.count);
    if (Math.max(...counts) <= 0) throw new Error('this is not where counts are');
    counts.fill(-1);
  };
  await trainWithRanks(run, job, 2, { onEpoch }, null);
  await job.world.finalize();
} catch (error) {
  await job.fail(error, ({ message }) => process.stderr.write(`lockstep: ${message}\n`));
  process.exitCode = error instanceof LockstepError ? error.exitCode : 99;
}
