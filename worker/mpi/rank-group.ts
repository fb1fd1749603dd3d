/**
 * A group of ranks, each with threads over a memory of its own: the threads merge what they computed as far up the tree as
 * it goes, thread 0 exchanges that with the other ranks, and all go on with the same total.
 */
import type { GradientExchange } from '../../shared/model/model.ts';
import { noteBytes } from '../../shared/model/rank-plan.ts';
import type { Exchange, Group } from '../../shared/reduction/group.ts';
import type { Span } from '../../shared/reduction/span.ts';
import { type StepModel, withUpdate } from '../../shared/step.ts';
import { abortBarrier, StepAborted } from '../barrier.ts';
import { problems, words } from '../control.ts';
import type { PhaseClock } from '../phase-clock.ts';
import type { Blocks, RankCalls } from './calls.ts';
import {
  type BatchExchanges,
  type ExchangesOptions,
  type GradientChunk,
  type GradientPart,
  planExchanges,
} from './exchanges.ts';
import { type Note, Notes } from './notes.ts';
import { type RankWaitOptions, waitFor } from './rank-wait.ts';
import { ReplicaCheck } from './replica-check.ts';

export interface RankGroupOptions extends ExchangesOptions {
  /** For thread 0, which makes the exchanges. */
  readonly calls: RankCalls | null;
  readonly wait: Omit<RankWaitOptions, 'alive'>;
  readonly progress: RankProgress;
  /** Meets the threads over this memory. */
  barrier(): void;
}

/** What a group needs to know of how far its thread is. */
export interface RankProgress {
  readonly committed: number;
  alive(): void;
  /** Does something on the clock of waiting. */
  waiting(action: () => void): void;
  /** All threads over this memory end after the step that they are in. */
  endAfterThis(): void;
  /** Seconds that all threads over this memory were busy in committed steps. */
  busySeconds(): number;
}

/**
 * What travels to every rank at the end of a step. An optimizer without state is carried out by slices, each by the rank that
 * has merged its gradient, and what it wrote travels. State would be lost with its rank: with state the gradient
 * travels, and every rank updates all. Nothing travels where ranks have the replicas in common.
 */
type Gathered = 'update' | 'gradient' | 'nothing';

export class RankGroup implements Group {
  /** The model of this group's steps. */
  readonly model: StepModel;
  readonly #options: RankGroupOptions;
  readonly #gradients: GradientExchange;
  readonly #exchangeCount: number;
  readonly #batches: ReadonlyMap<number, BatchExchanges>;
  readonly #notes: Notes;
  readonly #noteBlocks: Blocks;
  readonly #gathered: Gathered;
  readonly #replicaCheck: ReplicaCheck;
  readonly #floats: Float32Array;
  /** Index of the merged losses, behind the total gradient. */
  readonly #lossSlot: number;
  /** Which exchange of the step comes next. */
  #next = 0;
  /** Takes the time of what is computed within an exchange, while a step is watched. */
  #clock: PhaseClock | null = null;

  constructor(options: RankGroupOptions) {
    const { training, memory, hasWindows } = options;
    const { model } = training;
    this.#options = options;
    this.#gradients = model.gradients;
    this.#exchangeCount = model.exchanges.length;
    const { batches, notes } = planExchanges(options);
    this.#batches = batches;
    this.#noteBlocks = notes;
    this.#notes = new Notes(memory);
    this.#floats = new Float32Array(memory.buffer);
    this.#lossSlot = training.plan.gradient / 4 + training.architecture.flatSize;
    this.#replicaCheck = new ReplicaCheck(options);
    this.#gathered = hasWindows ? 'nothing' : model.hasState ? 'gradient' : 'update';
    this.model = withUpdate(model, (span) =>
      this.#gathered === 'gradient' ? model.apply(span) : model.apply(span, this.#batchOf(span).slice),
    );
  }

  allReduce(exchange: Exchange, span: Span): void {
    for (let shard = span.firstShard; shard < span.endShard; shard++) exchange.partial(span, shard);
    this.#options.barrier();
    const batch = this.#batchOf(span);
    if (this.#next < this.#exchangeCount - 1) {
      this.#exchangeNodes(batch, exchange, span);
      this.#next += 1;
      return;
    }
    this.#reduceScatter(batch, span);
    if (this.#gathered === 'gradient') this.#gather(batch, span, this.#options.training.plan.gradient);
  }

  together(action: () => void): void {
    action();
    this.#options.barrier();
  }

  allGather(span: Span): void {
    if (this.#gathered === 'gradient') {
      this.#options.barrier();
      return;
    }
    // What the step has read, once more: what it has written depends on it.
    if (this.#gathered === 'update') this.#timed(() => this.#replicaCheck.read(span.current));
    this.#gather(this.#batchOf(span), span, this.#gathered === 'update' ? span.next.flat : null);
  }

  /** Begins a step: what came of one that was called off is forgotten. @param clock to be turned, if the step is watched */
  begin(clock: PhaseClock | null): void {
    this.#next = 0;
    this.#clock = clock;
  }

  #batchOf({ shardCount }: Span): BatchExchanges {
    const batch = this.#batches.get(shardCount);
    if (batch === undefined) throw new Error(`no exchange is planned for ${shardCount} shards`);
    return batch;
  }

  /** A short vector: every rank gets the nodes of all and merges them itself, which takes one exchange and not two. */
  #exchangeNodes({ nodes, gathers }: BatchExchanges, exchange: Exchange, span: Span): void {
    const { place, calls, barrier } = this.#options;
    if (calls !== null) {
      const { slots, blocks, merger } = gathers[this.#next];
      for (const [k, { lo, hi }] of nodes.entries()) exchange.merge(span, lo, hi, slots[k]);
      if (place.ranks.count > 1) {
        calls.allgatherv(blocks, place.request);
        this.#wait(calls, place.request);
      }
      merger.merge(span, place.nodes);
    }
    barrier();
    exchange.receive(span, place.nodes);
  }

  /**
   * A long vector: slices go to their owners and are merged there. What is for others is summed first, and is under way while
   * this rank sums what is its own.
   */
  #reduceScatter(batch: BatchExchanges, span: Span): void {
    const { barrier, training } = this.#options;
    for (const { others, crossings } of batch.chunks) {
      this.#sum(others, batch, span);
      barrier();
      for (const { send, receive, request } of crossings) this.#mpi?.alltoallv(send, receive, request);
    }
    for (const { own } of batch.chunks) this.#sum(own, batch, span);
    for (const { crossings, merger } of batch.chunks) {
      for (const { request } of crossings) this.#wait(this.#mpi, request);
      barrier();
      this.#timed(() => merger.merge(span, training.plan.gradient));
    }
  }

  /** Every rank gets a note of all, and the slices of all of a vector at a byte offset, if one is given. */
  #gather({ chunks, lossRank }: BatchExchanges, span: Span, vector: number | null): void {
    const { calls, barrier, training } = this.#options;
    barrier();
    if (calls !== null) {
      this.#tell();
      if (vector !== null) this.#gatherSlices(chunks, vector);
      this.#hear(lossRank);
      this.#gradients.receive(span, training.plan.gradient);
    }
    barrier();
  }

  #gatherSlices(chunks: readonly GradientChunk[], vector: number): void {
    for (const { back, backRequest } of chunks) {
      this.#mpi?.allgatherv({ ...back, buffer: vector }, backRequest);
    }
    for (const { backRequest } of chunks) this.#wait(this.#mpi, backRequest);
  }

  /** Sums a part of the gradients of all nodes of this rank. */
  #sum({ segments, hasLosses }: GradientPart, { nodes, vectors }: BatchExchanges, span: Span): void {
    const { flatSize } = this.#options.training.architecture;
    this.#timed(() => {
      for (const [k, { lo, hi }] of nodes.entries()) {
        for (const segment of segments) {
          const at = vectors[k] + 4 * (segment.tensor.offset + segment.from);
          this.#gradients.mergeSegment(span, lo, hi, segment, at);
        }
        if (hasLosses) this.#gradients.mergeLosses(lo, hi, vectors[k] + 4 * flatSize);
      }
    });
  }

  /** Starts to tell the other ranks what they need to know of this one. */
  #tell(): void {
    const { place, progress, training, wait } = this.#options;
    const { model, nonFinite } = training;
    this.#notes.write(place.notes + place.ranks.rank * noteBytes, {
      committed: progress.committed,
      wish: Atomics.load(wait.words, words.vote),
      replica: this.#replicaSum,
      written: this.#gathered === 'gradient' ? 0n : model.checksum,
      isBad: nonFinite.found(),
      busySeconds: progress.busySeconds(),
      lossSum: this.#floats[this.#lossSlot],
      correct: this.#floats[this.#lossSlot + 1],
    });
    this.#mpi?.allgatherv(this.#noteBlocks, place.request);
  }

  /** Tells this rank's replica from another. */
  get #replicaSum(): bigint {
    switch (this.#gathered) {
      case 'update':
        return this.#replicaCheck.checksum;
      case 'gradient':
        // Every rank updates all: what it wrote last tells the same, and is known.
        return this.#options.training.model.checksum;
      case 'nothing':
        return 0n; // there is but one
      default:
        return this.#gathered satisfies never;
    }
  }

  /** Takes what the others tell. */
  #hear(lossRank: number): void {
    const { place, progress, training, wait } = this.#options;
    this.#wait(this.#mpi, place.request);
    const { rank: ownRank, count } = place.ranks;
    const noteOf = (rank: number) => this.#notes.read(place.notes + rank * noteBytes);
    const own = noteOf(ownRank);
    let wish = 0;
    for (let rank = 0; rank < count; rank++) {
      const note = noteOf(rank);
      if (note.committed !== own.committed) this.#fail(problems.apart, rank);
      if (note.replica !== own.replica) this.#fail(problems.different, rank);
      if (note.isBad) training.model.reportBadUpdate();
      if (rank !== ownRank) training.model.addChecksum(note.written);
      if (rank === lossRank) this.#writeLosses(note);
      wish = Math.max(wish, note.wish);
    }
    if (wish === 0) return;
    Atomics.store(wait.words, words.agreed, wish);
    progress.endAfterThis();
  }

  #writeLosses({ lossSum, correct }: Note): void {
    this.#floats[this.#lossSlot] = lossSum;
    this.#floats[this.#lossSlot + 1] = correct;
  }

  /** Alone there is nobody to send to, but something to be heard: its own wish to stop. */
  get #mpi(): RankCalls | null {
    const { place, calls } = this.#options;
    return place.ranks.count === 1 ? null : calls;
  }

  #wait(mpi: RankCalls | null, request: number): void {
    if (mpi === null) return;
    const { wait, progress } = this.#options;
    progress.waiting(() => {
      const isDone = waitFor(() => mpi.test(request), { ...wait, alive: () => progress.alive() });
      if (!isDone) this.#fail(problems.overdue, 0);
    });
  }

  /** Ends the step for all threads over this memory; the main thread says why. */
  #fail(problem: number, rank: number): never {
    const control = this.#options.wait.words;
    Atomics.store(control, words.problemRank, rank);
    Atomics.store(control, words.problemExchange, this.#next);
    Atomics.store(control, words.problem, problem);
    abortBarrier(control);
    throw new StepAborted('the ranks cannot go on together');
  }

  #timed(action: () => void): void {
    if (this.#clock === null) action();
    else this.#clock.timed('update', action);
  }
}
