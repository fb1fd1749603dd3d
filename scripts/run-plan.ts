/** What a training would be: its model, what would travel, the memory it takes, and who would compute what. */

import { knownName } from '../shared/data/dataset.ts';
import { type MemoryPart, memoryUse } from '../shared/model/memory-use.ts';
import { recipeId } from '../shared/recipe/recipe.ts';
import { assignSpan, newSpan } from '../shared/reduction/span.ts';
import { planSetup, Training } from '../shared/training.ts';
import { headerBytes } from '../shared/wire/frame.ts';
import { type LayerFacts, layerFacts } from './layer-facts.ts';
import type { PreparedRun } from './training.ts';

export interface RunPlan {
  readonly recipeId: string;
  readonly data: {
    readonly name: string;
    /** Of its content, as in the recipe. */
    readonly sha256: string;
    readonly trainSamples: number;
    readonly testSamples: number;
  };
  /** Samples and steps of an epoch; the last of them may be short. */
  readonly samples: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  readonly shardSize: number;
  readonly shardsPerStep: number;
  readonly kernels: { readonly set: string; readonly reason: string };
  readonly layers: readonly LayerFacts[];
  /** Floats that are trained, and with the running statistics. */
  readonly parameters: number;
  readonly values: number;
  /**
   * What is agreed on in a step, in order: bytes of a frame up, one for each node of the tree that covers a worker's shards,
   * and of one down to it.
   */
  readonly exchanges: readonly { readonly name: string; readonly bytes: number }[];
  /** Shared memory of this process, and of a worker with one thread. */
  readonly memory: Memory;
  readonly workerMemory: Memory;
  /** Threads of this process, each with its shards `from … to−1` of a whole batch; none where only workers compute. */
  readonly threads: readonly { readonly from: number; readonly to: number }[];
  /** True if the threads divide the columns of the first layer instead of its rows. */
  readonly byColumns: boolean;
}

export interface Memory {
  readonly bytes: number;
  readonly uses: Readonly<Record<MemoryPart, number>>;
}

export function planOf({ run, threads, source }: PreparedRun): RunPlan {
  const { recipe, setup, architecture, plan, kernels, memory } = run;
  const layers = layerFacts(architecture);
  const { model } = new Training(setup, kernels, memory, 0, setup.sizes.threads);
  const batchSize = Math.min(recipe.batchSize, run.samples.length);
  return {
    recipeId: recipeId(recipe),
    data: {
      name: knownName(recipe.dataset) ?? source.name,
      sha256: recipe.dataset,
      trainSamples: source.samples.train,
      testSamples: source.samples.test,
    },
    samples: run.samples.length,
    epochs: recipe.epochs,
    stepsPerEpoch: run.steps,
    batchSize: recipe.batchSize,
    shardSize: recipe.shardSize,
    shardsPerStep: plan.shardCount,
    kernels: { set: kernels.set, reason: kernels.reason },
    layers,
    parameters: layers.reduce((sum, { parameters }) => sum + parameters, 0),
    values: architecture.flatSize,
    exchanges: model.exchanges.map(({ name, layout }) => ({ name, bytes: headerBytes + 4 * layout.floats })),
    memory: { bytes: plan.bytes, uses: memoryUse(plan) },
    workerMemory: workerMemory(run),
    threads: Array.from({ length: threads }, (_, rank) => {
      const span = newSpan(recipe.shardSize);
      assignSpan(span, batchSize, rank, threads);
      return { from: span.firstShard, to: span.endShard };
    }),
    byColumns: threads > 0 && plan.byColumns,
  };
}

function workerMemory({ setup }: PreparedRun['run']): Memory {
  const { plan } = planSetup({ ...setup, sizes: { ...setup.sizes, threads: 1, isRemote: true } });
  return { bytes: plan.bytes, uses: memoryUse(plan) };
}
