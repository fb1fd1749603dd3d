/** The benchmark from top to bottom: the limits, then for every recipe and batch size all sides in turns. */
import { availableParallelism, cpus } from 'node:os';
import { classCount, type DatasetSource, imageShape, openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import type { KernelModule } from '../../shared/kernels/load.ts';
import { parseArchitecture } from '../../shared/model/architecture.ts';
import { type Draft, draftRecipe, type Label } from '../../shared/recipe/resolve.ts';
import { version } from '../../shared/version.ts';
import type { PhaseSeconds } from '../../worker/profile.ts';
import { denseShapes, flopsOf } from './flops.ts';
import { interleave, type Side } from './interleave.ts';
import { measureMemory, measurePeak } from './limits.ts';
import { benchSamples, type Configuration, Measurement } from './measure.ts';
import { measureProducts } from './products.ts';
import {
  type BenchResult,
  type GroupResult,
  type Limits,
  type Machine,
  type ProductResult,
  sideResults,
} from './results.ts';

export interface BenchPlan {
  readonly recipes: readonly BenchRecipe[];
  readonly batchSizes: readonly number[];
  /** Ascending. */
  readonly threads: readonly number[];
  readonly kernels: readonly KernelModule[];
  readonly rounds: number;
  /** Of a turn. */
  readonly seconds: number;
}

export interface BenchRecipe {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly label: Label;
}

export interface BenchHooks {
  readonly signal?: AbortSignal;
  /** What is being done, in a few words. */
  readonly onStatus?: (text: string) => void;
  readonly onLimits?: (limits: Limits) => void;
  /** After the last batch size of a recipe. */
  readonly onRecipe?: (groups: readonly GroupResult[]) => void;
}

/** Roughly: starting a team, measuring the limits of a set and the products of a layer. */
const startSeconds = 0.5;
const limitSeconds = 0.3;
const memorySeconds = 3;
const productSeconds = 0.6;

/** About how many seconds the whole will take. */
export function estimateSeconds({
  recipes,
  batchSizes,
  threads,
  kernels,
  rounds,
  seconds,
}: BenchPlan): number {
  const sides = threads.length * kernels.length;
  const perGroup = sides * (2 * startSeconds + seconds * (rounds + 1) + 2 * seconds);
  const products = recipes.reduce((sum, recipe) => sum + shapesOf(draftOf(recipe, batchSizes[0])).length, 0);
  return (
    memorySeconds +
    limitSeconds * kernels.length +
    recipes.length * batchSizes.length * perGroup +
    productSeconds * products * batchSizes.length * kernels.length
  );
}

/**
 * Runs it.
 * @throws LockstepError (USAGE, DATA, DIVERGED, TEAM), or the signal's reason; nothing is left running then
 */
export async function runBench(plan: BenchPlan, hooks: BenchHooks = {}): Promise<BenchResult> {
  const drafts = plan.recipes.map((recipe) => plan.batchSizes.map((batchSize) => draftOf(recipe, batchSize)));
  const sources = plan.recipes.map(({ label }, i) =>
    openDataset(drafts[i][0].data, knownDatasets, label('data')),
  );
  hooks.onStatus?.('the limits of this machine');
  const limits: Limits = {
    peaks: Object.fromEntries(plan.kernels.map((kernels) => [kernels.set, measurePeak(kernels)])),
    memory: measureMemory(),
  };
  hooks.onLimits?.(limits);
  const groups: GroupResult[] = [];
  for (const [i, recipe] of plan.recipes.entries()) {
    const ofRecipe: GroupResult[] = [];
    for (const draft of drafts[i]) {
      ofRecipe.push(await new Group(plan, hooks, limits, recipe, draft, sources[i]).measure());
    }
    hooks.onRecipe?.(ofRecipe);
    groups.push(...ofRecipe);
  }
  const { rounds, seconds } = plan;
  return { version, machine: machineHere(), rounds, seconds, limits, groups, missing: [] };
}

export function machineHere(): Machine {
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() || 'unknown processor',
    cores: availableParallelism(),
  };
}

/** All sides that take turns: one recipe and batch size. */
class Group {
  readonly #plan: BenchPlan;
  readonly #hooks: BenchHooks;
  readonly #limits: Limits;
  readonly #recipe: BenchRecipe;
  readonly #draft: Draft;
  readonly #source: DatasetSource;

  constructor(
    plan: BenchPlan,
    hooks: BenchHooks,
    limits: Limits,
    recipe: BenchRecipe,
    draft: Draft,
    source: DatasetSource,
  ) {
    this.#plan = plan;
    this.#hooks = hooks;
    this.#limits = limits;
    this.#recipe = recipe;
    this.#draft = draft;
    this.#source = source;
  }

  async measure(): Promise<GroupResult> {
    const { batchSize, model } = this.#draft;
    const source = await benchSamples(this.#source, batchSize);
    const configurations = this.#plan.kernels.flatMap((kernels) =>
      this.#plan.threads.map((threads) => ({
        draft: this.#draft,
        source,
        kernels,
        threads,
        label: this.#recipe.label,
      })),
    );
    const readings = await this.#measureSides(configurations);
    const phases: PhaseSeconds[] = [];
    for (const configuration of configurations) phases.push(await this.#measurePhases(configuration));
    const shapes = shapesOf(this.#draft);
    const flops = flopsOf(shapes);
    const sides = sideResults(
      configurations.map(({ kernels, threads }, i) => ({
        kernels: kernels.set,
        threads,
        readings: readings[i],
      })),
      flops,
      this.#limits.peaks,
      phases,
    );
    return {
      recipe: this.#recipe.name,
      model,
      batchSize,
      flops,
      sides,
      products: this.#measureProducts(),
      peers: [],
    };
  }

  async #measureSides(configurations: readonly Configuration[]): Promise<number[][]> {
    const sides: Side[] = [];
    try {
      for (const configuration of configurations) {
        this.#say(`starting ${configuration.kernels.set}, ${configuration.threads} threads`);
        sides.push(await Measurement.start(configuration));
      }
      const { rounds, seconds } = this.#plan;
      const onTurn = (done: number, all: number) => this.#say(`turn ${done + 1} of ${all}`);
      return await interleave(sides, { rounds, seconds, signal: this.#hooks.signal, onTurn });
    } finally {
      for (const side of sides) await side.close();
    }
  }

  /** Apart from the speeds, which the clock would lower. */
  async #measurePhases(configuration: Configuration): Promise<PhaseSeconds> {
    this.#say(`phases of ${configuration.kernels.set}, ${configuration.threads} threads`);
    const measurement = await Measurement.start({ ...configuration, profile: true });
    try {
      return await measurement.profile(this.#plan.seconds);
    } finally {
      await measurement.close();
    }
  }

  #measureProducts(): ProductResult[] {
    return shapesOf(this.#draft).flatMap((shape) =>
      this.#plan.kernels.map((kernels) => {
        const { layer, inputs, outputs } = shape;
        this.#say(`${layer} with ${kernels.set}`);
        const speeds = measureProducts(kernels, shape, this.#draft);
        const peak = this.#limits.peaks[kernels.set] ?? null;
        return { layer, inputs, outputs, kernels: kernels.set, peak, ...speeds };
      }),
    );
  }

  /** @throws the signal's reason, if it is time to end */
  #say(what: string): void {
    this.#hooks.signal?.throwIfAborted();
    this.#hooks.onStatus?.(`${this.#recipe.name}, batch ${this.#draft.batchSize}: ${what}`);
  }
}

/**
 * A recipe as it is measured: the values that a model starts from and the identity of its data do not matter, and
 * a shard size goes with its own batch size only.
 */
function draftOf({ fields, label }: BenchRecipe, batchSize: number): Draft {
  const { dataset: _, init, shardSize, ...rest } = fields;
  return draftRecipe(
    {
      ...rest,
      batchSize,
      trainSamples: null,
      ...(init === undefined || String(init).startsWith('sha256:') ? {} : { init }),
      ...(shardSize === undefined || batchSize !== fields.batchSize ? {} : { shardSize }),
    },
    label,
  );
}

function shapesOf({ model }: Draft) {
  return denseShapes(parseArchitecture(model, imageShape, classCount, 'model'));
}
