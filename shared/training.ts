/** What one thread holds of a training, and the steps it takes: the same code for one thread and for many. */

import type { Kernels } from './kernels/kernels.ts';
import { instantiateKernels, type LoadedKernels } from './kernels/load.ts';
import type { SharedMemory } from './kernels/webassembly.ts';
import { type Architecture, parseArchitecture } from './model/architecture.ts';
import type { BatchNormMode, Shape } from './model/layer.ts';
import { evaluationShard, type MemoryPlan, planMemory, type Sizes } from './model/memory-plan.ts';
import { type BatchResult, Model } from './model/model.ts';
import { type Finding, NonFinite } from './model/non-finite.ts';
import { type Group, soloGroup } from './reduction/group.ts';
import type { Share } from './reduction/ranks.ts';
import { assignShards, assignSpan, newSpan, type Span, wholeBatch } from './reduction/span.ts';
import { trainStep } from './step.ts';

/** Plain data that decides a training's arithmetic and its memory; it can be handed to any thread. */
export interface Setup {
  readonly input: Shape;
  readonly classes: number;
  /** Canonical texts of a recipe. */
  readonly model: string;
  readonly optimizer: string;
  readonly batchNorm: BatchNormMode;
  readonly sizes: Sizes;
}

/** The architecture and memory plan of a setup, the same wherever they are worked out. */
export function planSetup(setup: Setup): { architecture: Architecture; plan: MemoryPlan } {
  const architecture = parseArchitecture(setup.model, setup.input, setup.classes, 'model');
  return { architecture, plan: planMemory(architecture, setup.sizes) };
}

/** How a run of steps ended, with the number of steps done in the epoch. */
export type StepsOutcome =
  | { readonly kind: 'done' | 'stopped'; readonly step: number }
  | { readonly kind: 'nonFinite'; readonly step: number; readonly where: string };

/** What travelled between a worker and the coordinator, with the headers of WebSockets. */
export interface Travelled {
  /** All in all: joining and evaluations, too. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Steps whose total gradient it got. */
  readonly steps: number;
  /** Gradients that it sent in them: one for each node of the tree that covers its shards. */
  readonly gradients: number;
  /** Of one gradient, and of one total. */
  readonly gradientBytes: number;
  /** Partials up, totals down, and control messages. */
  readonly bytesUpPerStep: number;
  readonly bytesDownPerStep: number;
}

/** Who computed what: one thread of a local run, or one worker; for a worker of another process, what travelled. */
export interface WorkAccount extends Partial<Travelled> {
  readonly name: string;
  readonly threads: number;
  /** Shards computed in committed steps. */
  readonly shards: number;
  /** Seconds spent computing in committed steps, waiting left out. */
  readonly seconds: number;
}

/** What a run of steps reports to, and asks for permission to go on. */
export interface Progress {
  /** Steps done since the training began; its parity tells which replica is current. */
  readonly committed: number;
  /** Called before a step by everyone, with its number in the epoch. */
  begin(step: number): void;
  /**
   * Called once a step is done everywhere and its result is good, with what came of the batch and the checksum of the
   * update (good on rank 0), and this thread's shards; returns whether to go on.
   */
  commit(step: number, batch: BatchResult, checksum: bigint, shards: number): boolean;
}

export class Training {
  readonly plan: MemoryPlan;
  readonly architecture: Architecture;
  readonly model: Model;
  readonly nonFinite: NonFinite;
  readonly kernels: Kernels;
  readonly sizes: Sizes;
  readonly #rank: number;
  readonly #size: number;
  readonly #shareOf: (shardCount: number) => Share;
  readonly #span: Span;

  /**
   * Binds a setup for one of `size` threads over a memory of its plan.
   * @param shareOf the shards that these threads compute of a batch of so many: all, if nothing is said
   */
  constructor(
    setup: Setup,
    loaded: LoadedKernels,
    memory: SharedMemory,
    rank: number,
    size: number,
    shareOf: (shardCount: number) => Share = wholeBatch,
  ) {
    const { architecture, plan } = planSetup(setup);
    const kernels = instantiateKernels(loaded, memory);
    this.kernels = kernels;
    this.plan = plan;
    this.architecture = architecture;
    this.nonFinite = new NonFinite(memory, plan.nonFinite);
    this.model = new Model(
      { ...setup, architecture },
      { plan, memory, kernels, nonFinite: this.nonFinite },
      rank,
      size,
    );
    this.sizes = setup.sizes;
    this.#rank = rank;
    this.#size = size;
    this.#shareOf = shareOf;
    this.#span = newSpan(setup.sizes.shardSize);
  }

  /**
   * Takes the steps `first … end−1` of an epoch with the group. Ends early when progress says so, or when a
   * step met NaN or infinity: that step is not committed, and `nonFinite` says where it was.
   * @param takeStep a step of this training with the group, or something around it that watches
   */
  trainSteps(
    group: Group,
    first: number,
    end: number,
    progress: Progress,
    takeStep: (span: Span, committed: number) => void = (span) => trainStep(this.model, span, group),
  ): void {
    for (let step = first; step < end; step++) {
      progress.begin(step);
      this.#prepareSpan(this.#span, step, progress.committed);
      takeStep(this.#span, progress.committed);
      // Everything was reported before the step's last barrier, so all threads see the same here.
      if (this.nonFinite.found()) return;
      const { firstShard, endShard } = this.#span;
      const checksum = this.#rank === 0 ? this.model.checksum : 0n;
      if (!progress.commit(step, this.model.batch, checksum, endShard - firstShard)) return;
    }
  }

  /** Evaluates this thread's share of shards `from … to−1` of a split with the replica that is current. */
  evaluate(
    split: 'train' | 'test',
    committed: number,
    afterShard: () => void,
    { from, to } = { from: 0, to: Math.ceil(this.plan[split].samples / evaluationShard) },
  ): void {
    const begin = from + Math.floor(((to - from) * this.#rank) / this.#size);
    const end = from + Math.floor(((to - from) * (this.#rank + 1)) / this.#size);
    const { flat } = this.plan.replicas[committed % 2];
    for (let shard = begin; shard < end; shard++) {
      this.model.evaluate(flat, this.plan[split], shard);
      afterShard();
    }
  }

  /**
   * Makes the update of a step of the epoch from a total gradient that was merged elsewhere and lies in its room. Returns
   * what came of the batch (on rank 0).
   */
  apply(step: number, committed: number): BatchResult {
    const { model, plan } = this;
    const span = this.spanOf(step, committed, 0, 0);
    model.gradients.receive(span, plan.gradient);
    model.apply(span);
    return model.batch;
  }

  /** False if one of `count` floats at a byte offset is NaN or infinite. */
  isFinite(at: number, count: number): boolean {
    return this.kernels.nonFinite(at, count) === 0;
  }

  /** A span of shards `firstShard … endShard−1` of a step of the epoch, before which so many were committed. */
  spanOf(step: number, committed: number, firstShard: number, endShard: number): Span {
    const span = newSpan(this.sizes.shardSize);
    this.#prepareSpan(span, step, committed);
    assignShards(span, firstShard, endShard);
    return span;
  }

  /** Computes a step of the epoch alone, to find out where it meets NaN or infinity. Nothing is committed. */
  tryStep(step: number, committed: number): void {
    this.nonFinite.clear();
    this.trainSteps(soloGroup(), step, step + 1, { committed, begin: () => {}, commit: () => false });
  }

  /**
   * Where exactly a step that was not committed met NaN or infinity, in words. Only after all threads stopped,
   * and only for the training of a single thread (rank 0 of 1) over the same memory.
   */
  describeNonFinite(step: number, committed: number): string {
    this.#prepareSpan(this.#span, step, committed);
    const finding = this.nonFinite.get();
    if (finding === null) throw new Error('every number of the step was finite');
    const { places } = this.model;
    const closer = places[finding.place] === 'update' ? this.model.findInGradient(this.#span) : null;
    return describeFinding(closer ?? finding, places);
  }

  #prepareSpan(span: Span, step: number, committed: number): void {
    const { batchSize, epochSamples } = this.sizes;
    this.nonFinite.turnTo(committed);
    span.firstSample = step * batchSize;
    span.current = this.plan.replicas[committed % 2];
    span.next = this.plan.replicas[(committed + 1) % 2];
    const rows = Math.min(batchSize, epochSamples - step * batchSize);
    assignSpan(span, rows, this.#rank, this.#size, this.#shareOf);
  }
}

function describeFinding({ place, shard }: Finding, places: readonly string[]): string {
  return shard === null ? `the total of the ${places[place]}` : `the ${places[place]} of shard ${shard}`;
}
