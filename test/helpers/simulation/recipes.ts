/** The recipes of the simulation, each with what one undisturbed thread makes of it and with memory to use again. */
import { prepareRun, type Run } from '../../../coordinator/prepare.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { splitViews } from '../../../shared/load-data.ts';
import { draftRecipe, type RecipeFields } from '../../../shared/recipe/resolve.ts';
import { WorkerMemory } from '../../../worker/worker-memory.ts';
import { label, syntheticDataset, train } from '../train.ts';

const base = { init: 'he', scale: 'signed', optimizer: 'sgd(lr=0.05,momentum=0.9)', seed: 7 } as const;

/** 44 samples to train on, so every last batch is short; 260 to test on, three shards of an evaluation. */
const fields: Readonly<Record<string, RecipeFields>> = {
  sync: { ...base, model: 'dense(5) batchnorm relu dense(10)', batchSize: 16, shardSize: 3, epochs: 2 },
  ghost: {
    ...base,
    model: 'dense(4) batchnorm tanh dense(10) batchnorm',
    batchSize: 16,
    shardSize: 2,
    batchNorm: 'ghost',
    resetRunningStats: 'epoch',
    epochs: 2,
  },
  reset: {
    ...base,
    model: 'dense(4) batchnorm relu dense(3) batchnorm tanh dense(10)',
    batchSize: 12,
    shardSize: 2,
    resetRunningStats: 'epoch',
    epochs: 2,
  },
  /** More steps than lie between two comparisons of replicas. */
  long: { ...base, model: 'dense(10)', batchSize: 4, shardSize: 1, epochs: 6 },
  /** More shards than one message can assign. */
  wide: { ...base, model: 'dense(3) batchnorm dense(10)', batchSize: 44, shardSize: 1, epochs: 3 },
};

export interface Case {
  readonly name: string;
  readonly run: Run;
  /** Of all epochs. */
  readonly steps: number;
  readonly shards: number;
  readonly expected: {
    readonly weightsDigest: string;
    readonly stateDigest: string;
    readonly chain: string;
    readonly epochs: unknown;
  };
  /** Makes the run as it was before its first step. */
  renew(): void;
  /** A worker's memory, used or new; all are free again when the case is renewed. */
  borrow(): WorkerMemory;
}

export async function prepareCases(): Promise<Case[]> {
  const source = syntheticDataset(20261123, 44, 260);
  const kernels = loadKernels('wasm');
  return Promise.all(
    Object.entries(fields).map(async ([name, recipe]): Promise<Case> => {
      const alone = await train(recipe, { source });
      const draft = draftRecipe(recipe, label);
      const run = await prepareRun({ draft, source, kernels, threads: 1, initial: null, label });
      const bytes = new Uint8Array(run.memory.buffer);
      const initial = bytes.slice();
      const memories: WorkerMemory[] = [];
      let borrowed = 0;
      const { batchSize, shardSize, epochs } = run.recipe;
      const shardsOf = (rows: number) => Math.ceil(rows / shardSize);
      const last = run.samples.length - (run.steps - 1) * batchSize;
      return {
        name,
        run,
        steps: epochs * run.steps,
        shards: epochs * ((run.steps - 1) * shardsOf(batchSize) + shardsOf(last)),
        expected: {
          weightsDigest: alone.weightsDigest,
          stateDigest: alone.stateDigest,
          chain: alone.chain,
          epochs: epochBits(alone.epochs),
        },
        renew: () => {
          bytes.set(initial);
          borrowed = 0;
        },
        borrow: () => {
          borrowed += 1;
          if (borrowed > memories.length) memories.push(newMemory(run));
          return memories[borrowed - 1];
        },
      };
    }),
  );
}

function newMemory({ recipe, setup, kernels, plan, memory }: Run): WorkerMemory {
  const made = new WorkerMemory({ recipe, samples: setup.sizes.samples, kernels, threads: 1 });
  for (const split of ['train', 'test'] as const) {
    const from = splitViews(plan[split], memory);
    const to = splitViews(made.training.plan[split], made.memory);
    to.images.set(from.images);
    to.labels.set(from.labels);
  }
  return made;
}

/** Of epochs, what must be the same however they were trained. */
export function epochBits(
  epochs: readonly { loss: number; testLoss: number; testAccuracy: number }[],
): unknown[] {
  return epochs.map(({ loss, testLoss, testAccuracy }) => [loss, testLoss, testAccuracy]);
}
