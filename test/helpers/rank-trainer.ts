/** One rank of a job that trains recipes one after the other; rank 0 writes what came of each. */
import { appendFileSync, readFileSync } from 'node:fs';
import { prepareRun } from '../../coordinator/prepare.ts';
import type { StepReport } from '../../coordinator/reports.ts';
import { MpiJob } from '../../scripts/mpi-job.ts';
import { trainWithRanks } from '../../scripts/mpi-training.ts';
import { openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import { LockstepError } from '../../shared/errors.ts';
import { type KernelSet, loadKernels } from '../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { bitsOf, label, syntheticDataset } from './train.ts';

export interface RankTraining {
  readonly fields: RecipeFields;
  readonly threads: number;
  readonly kernels: KernelSet;
  readonly chunkFloats?: number;
  /** Whether ranks may see each other's memory. */
  readonly windows: boolean;
  /** A rank in whose memory a bit of the model flips before the first step. */
  readonly flips?: number;
}

export interface RankTrainings {
  /** Of the synthetic data; none for MNIST. */
  readonly data: { readonly seed: number; readonly train: number; readonly test: number } | null;
  readonly trainings: readonly RankTraining[];
  /** Where rank 0 writes JSON, a line for each. */
  readonly out: string;
}

if (process.argv[2] !== undefined) {
  const { data, trainings, out }: RankTrainings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
  const source =
    data === null
      ? openDataset('mnist', knownDatasets, 'data')
      : syntheticDataset(data.seed, data.train, data.test);
  const options = { file: null, launch: null, startMs: 60_000, exchangeMs: 60_000, windows: true };
  const { world } = await MpiJob.open(options);
  for (const { fields, threads, kernels, chunkFloats, windows, flips } of trainings) {
    const job = new MpiJob(world, { ...options, windows });
    const run = await prepareRun({
      draft: draftRecipe(fields, label),
      source,
      kernels: loadKernels(kernels),
      threads,
      ranks: { ...job.ranks, chunkFloats },
      initial: null,
      label,
    });
    if (job.ranks.rank === flips) new Int32Array(run.memory.buffer)[run.plan.replicas[0].flat / 4 + 1] ^= 1;
    const steps: StepReport[] = [];
    const onSteps = (reports: readonly StepReport[]) => steps.push(...reports);
    const outcome = await trainWithRanks(run, job, threads, { onSteps }, null).catch((error: unknown) => {
      if (flips === undefined || !(error instanceof LockstepError)) throw error;
      return error;
    });
    if (outcome instanceof LockstepError) {
      const { code, message } = outcome;
      if (job.isFirst) appendFileSync(out, `${JSON.stringify({ error: { code, message } })}\n`);
      continue;
    }
    const losses = steps.map(({ loss }) => loss);
    const accuracies = steps.map(({ accuracy }) => accuracy);
    const bits = bitsOf({ ...outcome, run, losses, accuracies });
    const { work } = outcome;
    const { hasWindows } = job;
    if (job.isFirst) appendFileSync(out, `${JSON.stringify({ bits, work, hasWindows })}\n`);
  }
  await world.finalize();
}
