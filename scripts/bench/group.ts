/** What is measured in the same rounds: one recipe with one batch size, on all threads and kernels, and its peers. */
import type { DatasetSource } from '../../shared/data/dataset.ts';
import type { Draft } from '../../shared/recipe/resolve.ts';
import type { PhaseSeconds } from '../../worker/profile.ts';
import { flopsOf } from './flops.ts';
import { interleave, type Side } from './interleave.ts';
import { benchSamples, type Configuration, Measurement } from './measure.ts';
import { type BenchPlan, type BenchRecipe, shapesOf } from './plan.ts';
import { measureProducts } from './products.ts';
import { type GroupResult, type Limits, type ProductResult, peerResult, sideResults } from './results.ts';

/** Somebody else's training of the same. */
export interface PeerSetting {
  readonly name: string;
  /** Starts it on these data; it is closed by who started it. */
  start(draft: Draft, source: DatasetSource, signal: AbortSignal | undefined): Promise<Side>;
}

export interface GroupSettings {
  readonly plan: BenchPlan;
  readonly limits: Limits;
  readonly recipe: BenchRecipe;
  readonly draft: Draft;
  /** Those that are here. */
  readonly peers: readonly PeerSetting[];
  readonly signal: AbortSignal | undefined;
  readonly onStatus: ((text: string) => void) | undefined;
}

/** Measures a group; nothing of it is left running. @throws LockstepError, or the signal's reason */
export async function measureGroup(settings: GroupSettings): Promise<GroupResult> {
  const { plan, limits, recipe, draft, peers } = settings;
  const source = await benchSamples(recipe.source, draft.batchSize);
  const { label } = recipe;
  const ours: Configuration[] = plan.kernels.flatMap((kernels) =>
    plan.threads.map((threads) => ({ draft, source, kernels, threads, label })),
  );
  const readings = await measureSides(settings, ours, source);
  const phases: PhaseSeconds[] = [];
  for (const one of ours) phases.push(await measurePhases(settings, one));
  const flops = flopsOf(shapesOf(draft));
  const named = ours.map(({ kernels, threads }, i) => ({
    kernels: kernels.set,
    threads,
    readings: readings[i],
  }));
  const sides = sideResults(named, flops, limits.peaks, phases);
  return {
    recipe: recipe.name,
    model: draft.model,
    batchSize: draft.batchSize,
    flops,
    sides,
    products: measureLayers(settings),
    peers: peers.map(({ name }, i) => peerResult(name, readings[ours.length + i], sides)),
  };
}

/** Samples a second by side and round, ours first. */
async function measureSides(
  settings: GroupSettings,
  ours: readonly Configuration[],
  source: DatasetSource,
): Promise<number[][]> {
  const { plan, draft, peers, signal } = settings;
  const sides: Side[] = [];
  try {
    for (const one of ours) {
      say(settings, `starting ${one.kernels.set}, ${plural(one.threads, 'thread')}`);
      sides.push(await Measurement.start(one));
    }
    for (const peer of peers) {
      say(settings, `starting ${peer.name}`);
      sides.push(await peer.start(draft, source, signal));
    }
    const onTurn = (done: number, all: number) => say(settings, `turn ${done + 1} of ${all}`);
    return await interleave(sides, { rounds: plan.rounds, seconds: plan.seconds, signal, onTurn });
  } finally {
    await Promise.allSettled(sides.map((side) => side.close()));
  }
}

/** Apart from the speeds, which reading the clock so often would lower. */
async function measurePhases(settings: GroupSettings, configuration: Configuration): Promise<PhaseSeconds> {
  const { kernels, threads } = configuration;
  say(settings, `phases of ${kernels.set}, ${plural(threads, 'thread')}`);
  const measurement = await Measurement.start({ ...configuration, profile: true });
  try {
    return await measurement.profile(settings.plan.seconds);
  } finally {
    await measurement.close();
  }
}

function measureLayers(settings: GroupSettings): ProductResult[] {
  const { plan, limits, draft } = settings;
  return shapesOf(draft).flatMap((shape) =>
    plan.kernels.map((kernels) => {
      const { layer, inputs, outputs } = shape;
      say(settings, `${layer} with ${kernels.set} kernels`);
      const speeds = measureProducts(kernels, shape, draft);
      const peak = limits.peaks[kernels.set] ?? null;
      return { layer, inputs, outputs, kernels: kernels.set, peak, ...speeds };
    }),
  );
}

/** @throws the signal's reason, if it is time to end */
function say({ recipe, draft, signal, onStatus }: GroupSettings, what: string): void {
  signal?.throwIfAborted();
  onStatus?.(`${recipe.name}, batch ${draft.batchSize}: ${what}`);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
