/** A rank of a benchmark: trains with the others, as many steps as it is asked for. */
import { availableParallelism, hostname } from 'node:os';
import { prepareRun } from '../../coordinator/prepare.ts';
import { openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import { type KernelSet, loadKernels } from '../../shared/kernels/load.ts';
import { rankPlaceOf } from '../../shared/model/rank-plan.ts';
import type { Draft } from '../../shared/recipe/resolve.ts';
import { coresOfRank } from '../../worker/mpi/join-ranks.ts';
import { RankTeam } from '../../worker/mpi/rank-team.ts';
import { openWindows } from '../../worker/mpi/windows.ts';
import { openWorld } from '../../worker/mpi/world.ts';
import { leaveTogether } from '../ranks/leave-together.ts';
import { serveRank } from '../ranks/rank-end.ts';
import { benchSamples } from './measure.ts';
import type { Taken } from './pace.ts';
import { TimedTraining } from './timed-training.ts';

export interface TrainingTask {
  readonly draft: Draft;
  readonly kernels: KernelSet;
  /** Whether ranks may see each other's memory. */
  readonly windows: boolean;
}

const startMs = 30_000;
/** For the others to come to an exchange; who is asked later comes later. */
const exchangeMs = 30_000;
const threads = 1;

serveRank(async (task) => {
  const { draft, kernels: set, windows } = task as TrainingTask;
  const label = (field: string) => field;
  const source = await benchSamples(openDataset(draft.data, knownDatasets, label('data')), draft.batchSize);
  const kernels = loadKernels(set);
  const world = await openWorld({ file: null, deadlineMs: startMs, launch: null });
  const { rank, size: count, file } = world;
  const ranks = { rank, count };
  const run = await prepareRun({ draft, source, kernels, threads, initial: null, label, ranks });
  const hasWindows = await openWindows(world, run.memory, rankPlaceOf(run.plan), windows, startMs);
  const cores = coresOfRank(threads, threads * count, availableParallelism());
  const team = await RankTeam.start({
    ...{ setup: run.setup, kernels, memory: run.memory, world },
    mpi: { file, deadlineMs: exchangeMs, cores, hasWindows },
    facts: Array.from({ length: count }, () => ({ host: hostname(), threads, kernels: set })),
    onAgreedStop: () => {},
  });
  const training = new TimedTraining(run, team);
  return {
    rank,
    answer: async (question) => {
      const taken = await takeSteps(training, (question as { wanted: number }).wanted);
      await leaveTogether(world);
      return taken;
    },
    close: async () => {
      await team.close();
      await world.finalize();
    },
  };
});

/** All ranks count to the same number by themselves, so they need not be asked again at the end of an epoch. */
async function takeSteps(training: TimedTraining, wanted: number): Promise<Taken> {
  let steps = 0;
  let seconds = 0;
  while (steps < wanted) {
    const taken = await training.take(wanted - steps);
    steps += taken.steps;
    seconds += taken.seconds;
  }
  return { steps, seconds };
}
