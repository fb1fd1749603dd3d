/** What is measured in the same rounds: one recipe with one batch size, on all threads and kernels, and its peers. */
import type { DatasetSource } from '../../shared/data/dataset.ts';
import type { Draft } from '../../shared/recipe/resolve.ts';
import type { PhaseSeconds } from '../../worker/profile.ts';
import { plural } from '../commands/screen.ts';
import { flopsOf } from '../flops.ts';
import { interleave } from './interleave.ts';
import { benchSamples, type Configuration, Measurement } from './measure.ts';
import { RanksMeasurement } from './measure-ranks.ts';
import { WorkersMeasurement } from './measure-workers.ts';
import { PeerSides } from './peer-sides.ts';
import { type BenchPlan, type BenchRecipe, shapesOf } from './plan.ts';
import { measureProducts } from './products.ts';
import {
  type FailedPeer,
  isAlone,
  type MeasuredGroup,
  type MeasuredProduct,
  type PeerFacts,
  peerResult,
  sideResults,
} from './results.ts';
import type { WorkersStep } from './workers-step.ts';

/** Of a run of a product, of which there are some for each: long enough for a core to come up to its frequency. */
const productSeconds = 0.02;

export interface GroupSettings {
  readonly plan: BenchPlan;
  readonly recipe: BenchRecipe;
  readonly draft: Draft;
  readonly signal: AbortSignal | undefined;
  readonly onStatus: ((text: string) => void) | undefined;
}

/** Measures a group; nothing of it is left running. @throws LockstepError, or the signal's reason */
export async function measureGroup(settings: GroupSettings): Promise<MeasuredGroup> {
  const { plan, recipe, draft } = settings;
  const source = await benchSamples(recipe.source, draft.batchSize);
  const { label } = recipe;
  const common = { draft, source, label };
  const ours: OurSide[] = plan.kernels.flatMap((kernels) => [
    ...plan.threads.map((threads) => ({ ...common, kernels, threads, workers: 0, ranks: 0 })),
    ...plan.workers.map((workers) => ({ ...common, kernels, threads: 1, workers, ranks: 0 })),
    ...plan.ranks.map((ranks) => ({ ...common, kernels, threads: 1, workers: 0, ranks })),
  ]);
  const { readings, steps, peers, failed } = await measureSides(settings, ours, source);
  const phases: (PhaseSeconds | null)[] = [];
  for (const one of ours) phases.push(isAlone(one) ? await measurePhases(settings, one) : null);
  const flops = flopsOf(shapesOf(draft));
  const named = ours.map(({ kernels, workers, ranks, threads }, i) => ({
    kernels: kernels.set,
    workers,
    ranks,
    threads,
    readings: readings[i],
    phases: phases[i],
    step: steps[i],
  }));
  const sides = sideResults(named, flops);
  return {
    recipe: recipe.name,
    model: draft.model,
    batchSize: draft.batchSize,
    flops,
    sides,
    products: measureLayers(settings),
    peers: peers.map((facts, i) => peerResult(facts, readings[ours.length + i], sides)),
    failed,
  };
}

interface OurSide extends Configuration {
  /** Worker processes, or ranks of MPI; 0 and 0 for the threads of this process. */
  readonly workers: number;
  readonly ranks: number;
}

type StartedSide = Measurement | WorkersMeasurement | RanksMeasurement;

interface Measured {
  /** Samples a second by side and round: ours, then those of the peers. */
  readonly readings: number[][];
  /** Of ours. */
  readonly steps: readonly (WorkersStep | null)[];
  readonly peers: readonly PeerFacts[];
  readonly failed: readonly FailedPeer[];
}

async function measureSides(
  settings: GroupSettings,
  ours: readonly OurSide[],
  source: DatasetSource,
): Promise<Measured> {
  const { plan, draft, recipe, signal } = settings;
  const open: { close(): Promise<void> }[] = [];
  try {
    const sides: StartedSide[] = [];
    for (const one of ours) {
      say(settings, `starting ${nameOf(one)}`);
      const side = await startSide(one, plan);
      open.push(side);
      sides.push(side);
    }
    const peers = await PeerSides.start({
      launches: plan.peers,
      draft,
      source,
      kernels: plan.kernels[0],
      label: recipe.label,
      onStart: (title) => say(settings, `starting ${title}`),
    });
    open.push(peers);
    const readings = await interleave([...sides, ...peers.sides], {
      rounds: plan.rounds,
      seconds: plan.seconds,
      signal,
      onTurn: (done, all) => say(settings, `turn ${done + 1} of ${all}`),
    });
    const steps: (WorkersStep | null)[] = [];
    for (const [i, side] of sides.entries()) {
      const hasWorkers = side instanceof WorkersMeasurement;
      if (hasWorkers) say(settings, `a step of ${nameOf(ours[i])}`);
      steps.push(hasWorkers ? await side.profile(plan.seconds) : null);
    }
    return { readings, steps, peers: peers.sides.map(({ facts }) => facts), failed: peers.failed };
  } finally {
    await Promise.allSettled(open.map((one) => one.close()));
  }
}

function startSide({ workers, ranks, ...configuration }: OurSide, plan: BenchPlan): Promise<StartedSide> {
  if (ranks > 0) return RanksMeasurement.start(configuration, ranks, plan);
  return workers > 0 ? WorkersMeasurement.start(configuration, workers) : Measurement.start(configuration);
}

/** `wasm, 2 threads` */
function nameOf({ kernels, workers, ranks, threads }: OurSide): string {
  const who = [plural(workers, 'worker'), plural(ranks, 'rank')].filter((_, i) => [workers, ranks][i] > 0);
  return `${kernels.set}, ${who.join() || plural(threads, 'thread')}`;
}

/** Apart from the speeds, which reading the clock so often would lower. */
async function measurePhases(settings: GroupSettings, side: OurSide): Promise<PhaseSeconds> {
  say(settings, `phases of ${nameOf(side)}`);
  const { workers: _, ranks: __, ...configuration } = side;
  const measurement = await Measurement.start({ ...configuration, profile: true });
  try {
    return await measurement.profile(settings.plan.seconds);
  } finally {
    await measurement.close();
  }
}

function measureLayers(settings: GroupSettings): MeasuredProduct[] {
  const { plan, draft } = settings;
  return shapesOf(draft).flatMap((shape) =>
    plan.kernels.map((kernels) => {
      const { layer, inputs, outputs } = shape;
      say(settings, `${layer} with ${kernels.set} kernels`);
      const speeds = measureProducts(kernels, shape, draft, Math.min(plan.seconds, productSeconds));
      return { layer, inputs, outputs, kernels: kernels.set, ...speeds };
    }),
  );
}

/** @throws the signal's reason, if it is time to end */
function say({ recipe, draft, signal, onStatus }: GroupSettings, what: string): void {
  signal?.throwIfAborted();
  onStatus?.(`${recipe.name}, batch ${draft.batchSize}: ${what}`);
}
