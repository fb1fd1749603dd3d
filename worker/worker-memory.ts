/** The memory of a worker as the wire sees it: replicas and totals come in; checksums and evaluations go out. */
import { drawOrder, drawSubset } from '../shared/data/sampler.ts';
import { fillScaleTable } from '../shared/data/scale.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import { evaluationShard, lossSlotBytes, newMemory } from '../shared/model/memory-plan.ts';
import { resetRunningStats } from '../shared/model/snapshot.ts';
import { writePieces } from '../shared/pieces.ts';
import { epochShape, type Recipe } from '../shared/recipe/recipe.ts';
import { replicaDigest, replicaViews } from '../shared/replica.ts';
import { setupOf } from '../shared/setup.ts';
import { planSetup, type Setup, Training } from '../shared/training.ts';
import { chunkBytes } from '../shared/wire/limits.ts';
import { totalPlace } from './segmented-step.ts';

export interface WorkerMemoryOptions {
  readonly recipe: Recipe;
  readonly samples: { readonly train: number; readonly test: number };
  readonly kernels: LoadedKernels;
  readonly threads: number;
}

export class WorkerMemory {
  readonly setup: Setup;
  readonly memory: SharedMemory;
  readonly recipe: Recipe;
  /** Bytes of the total of each exchange of a step, in order. */
  readonly totalBytes: readonly number[];
  /** Floats of the flat vector. */
  readonly flatSize: number;
  readonly #training: Training;
  readonly #steps: number;
  readonly #samples: Uint32Array;
  /** The epoch whose order is in memory. */
  #epoch = 0;
  #replicaBytesHere = 0;

  /** @throws LockstepError (USAGE) when the memory is not to be had */
  constructor({ recipe, samples, kernels, threads }: WorkerMemoryOptions) {
    this.recipe = recipe;
    this.setup = setupOf(recipe, samples, { threads, isRemote: true });
    const { architecture, plan } = planSetup(this.setup);
    this.memory = newMemory(plan);
    fillScaleTable(new Float32Array(this.memory.buffer, plan.scaleTable, 256), recipe.scale);
    this.#training = new Training(this.setup, kernels, this.memory, 0, threads);
    this.totalBytes = this.#training.model.exchanges.map(({ layout }) => 4 * layout.floats);
    this.flatSize = architecture.flatSize;
    const { samples: count, steps } = epochShape(recipe, samples.train);
    this.#steps = steps;
    this.#samples = drawSubset(samples.train, count, recipe.seed);
  }

  get training(): Training {
    return this.#training;
  }

  /**
   * Takes one chunk of the replica before step `committed`; they come in order. Returns true once it is whole.
   * Null if the chunk is not the one that is due.
   */
  replicaChunk(committed: number, panel: number, bytes: Uint8Array): boolean | null {
    const offset = panel * chunkBytes;
    if (panel === 0) this.#replicaBytesHere = 0;
    const whole = 8 * this.flatSize;
    if (offset !== this.#replicaBytesHere || bytes.length !== Math.min(chunkBytes, whole - offset))
      return null;
    writePieces(this.#replica(committed), offset, bytes);
    this.#replicaBytesHere += bytes.length;
    return this.#replicaBytesHere === whole;
  }

  /** Writes the total of an exchange to where the threads look for it. */
  writeTotal(exchange: number, total: Uint8Array): void {
    new Uint8Array(this.memory.buffer, totalPlace(this.#training, exchange), total.length).set(total);
  }

  /**
   * Makes ready for the step after so many: the epoch's order, and what begins anew with it. Returns the number of the
   * step in its epoch. Only while the threads are idle.
   */
  enterStep(committed: number): number {
    const epoch = Math.floor(committed / this.#steps) + 1;
    const step = committed % this.#steps;
    if (epoch !== this.#epoch) {
      const order = new Uint32Array(this.memory.buffer, this.#training.plan.order, this.#samples.length);
      drawOrder(order, this.#samples, this.recipe.seed, epoch);
      this.#epoch = epoch;
    }
    if (step === 0 && this.recipe.resetRunningStats === 'epoch') {
      const { flat } = this.#training.plan.replicas[committed % 2];
      const { architecture } = this.#training;
      resetRunningStats(architecture, new Float32Array(this.memory.buffer, flat, this.flatSize));
    }
    return step;
  }

  /** SHA-256 of the replica before step `committed`. */
  checksum(committed: number): string {
    return replicaDigest(this.#replica(committed));
  }

  /** What an evaluation of some shards of the test set left in memory, as the payload of a frame. */
  evaluationOf(from: number, to: number): Uint8Array {
    const { test, evaluationLosses, predictions } = this.#training.plan;
    const losses = new Float32Array(this.memory.buffer, evaluationLosses);
    const first = from * evaluationShard;
    const samples = Math.min(to * evaluationShard, test.samples) - first;
    const payload = new Uint8Array(4 * (to - from) + samples);
    const shardLosses = Float32Array.from(
      { length: to - from },
      (_, i) => losses[((from + i) * lossSlotBytes) / 4],
    );
    payload.set(new Uint8Array(shardLosses.buffer));
    payload.set(new Uint8Array(this.memory.buffer, predictions + first, samples), 4 * (to - from));
    return payload;
  }

  #replica(committed: number): [Uint8Array, Uint8Array] {
    return replicaViews(this.memory, this.#training.plan, this.flatSize, committed);
  }
}
