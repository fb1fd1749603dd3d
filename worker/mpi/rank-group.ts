/**
 * A group of ranks, each with threads over a memory of its own: the threads merge what they computed as far up the tree as
 * it goes, thread 0 exchanges that with the other ranks, and all go on with the same total.
 */
import type { GradientExchange } from '../../shared/model/model.ts';
import { noteBytes } from '../../shared/model/rank-plan.ts';
import type { Exchange, Group } from '../../shared/reduction/group.ts';
import type { Span } from '../../shared/reduction/span.ts';
import { abortBarrier, StepAborted } from '../barrier.ts';
import { problems, words } from '../control.ts';
import type { PhaseClock } from '../phase-clock.ts';
import type { Blocks, MpiCalls } from './calls.ts';
import { type BatchExchanges, type ExchangesOptions, type GradientPart, planExchanges } from './exchanges.ts';
import { Notes } from './notes.ts';
import { type RankWaitOptions, waitFor } from './rank-wait.ts';

export interface RankGroupOptions extends ExchangesOptions {
  /** For thread 0, which makes the exchanges. */
  readonly calls: MpiCalls | null;
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

export class RankGroup implements Group {
  readonly #options: RankGroupOptions;
  readonly #gradients: GradientExchange;
  readonly #exchangeCount: number;
  readonly #batches: ReadonlyMap<number, BatchExchanges>;
  readonly #notes: Notes;
  readonly #noteBlocks: Blocks;
  /** Which exchange of the step comes next. */
  #next = 0;
  /** Takes the time of what is computed within an exchange, while a step is watched. */
  #clock: PhaseClock | null = null;

  constructor(options: RankGroupOptions) {
    const { training, memory } = options;
    this.#options = options;
    this.#gradients = training.model.gradients;
    this.#exchangeCount = training.model.exchanges.length;
    const { batches, notes } = planExchanges(options);
    this.#batches = batches;
    this.#noteBlocks = notes;
    this.#notes = new Notes(memory);
  }

  allReduce(exchange: Exchange, span: Span): void {
    for (let shard = span.firstShard; shard < span.endShard; shard++) exchange.partial(span, shard);
    const isLast = this.#next === this.#exchangeCount - 1;
    this.#options.barrier();
    const batch = this.#batches.get(span.shardCount);
    if (batch === undefined) throw new Error(`no exchange is planned for ${span.shardCount} shards`);
    if (isLast) this.#redistribute(batch, exchange, span);
    else this.#gather(batch, exchange, span);
    this.#next = isLast ? 0 : this.#next + 1;
  }

  together(action: () => void): void {
    action();
    this.#options.barrier();
  }

  /** What comes after a step's last exchange concerns the threads over this memory alone. */
  barrier(): void {
    this.#options.barrier();
  }

  /** Begins a step: what came of one that was called off is forgotten. @param clock to be turned, if the step is watched */
  begin(clock: PhaseClock | null): void {
    this.#next = 0;
    this.#clock = clock;
  }

  /** A short vector: every rank gets the nodes of all and merges them itself, which takes one exchange and not two. */
  #gather({ nodes, gathers }: BatchExchanges, exchange: Exchange, span: Span): void {
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
   * A long vector: slices to their owners, merged there, and back. What is for others is summed first, and is under way while
   * this rank sums what is its own.
   */
  #redistribute(batch: BatchExchanges, exchange: Exchange, span: Span): void {
    const { place, calls, barrier, training } = this.#options;
    const { gradient } = training.plan;
    // Alone there is nobody to send to, but something to be heard: its own wish to stop.
    const mpi = place.ranks.count === 1 ? null : calls;
    if (calls !== null) this.#tell(mpi);
    for (const { others, crossings } of batch.chunks) {
      this.#sum(others, batch, span);
      barrier();
      for (const { send, receive, request } of crossings) mpi?.alltoallv(send, receive, request);
    }
    for (const { own } of batch.chunks) this.#sum(own, batch, span);
    if (calls !== null) this.#hear(mpi);
    for (const { crossings, merger, back, backRequest } of batch.chunks) {
      for (const { request } of crossings) this.#wait(mpi, request);
      barrier();
      this.#timed(() => merger.merge(span, gradient));
      barrier();
      mpi?.allgatherv(back, backRequest);
    }
    for (const { backRequest } of batch.chunks) this.#wait(mpi, backRequest);
    barrier();
    exchange.receive(span, gradient);
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
  #tell(mpi: MpiCalls | null): void {
    const { place, progress, training, wait } = this.#options;
    this.#notes.write(place.notes + place.ranks.rank * noteBytes, {
      committed: progress.committed,
      wish: Atomics.load(wait.words, words.vote),
      checksum: training.model.checksum,
      busySeconds: progress.busySeconds(),
    });
    mpi?.allgatherv(this.#noteBlocks, place.request);
  }

  /** Takes what the others tell. */
  #hear(mpi: MpiCalls | null): void {
    const { place, progress, wait } = this.#options;
    this.#wait(mpi, place.request);
    const noteOf = (rank: number) => this.#notes.read(place.notes + rank * noteBytes);
    const own = noteOf(place.ranks.rank);
    let wish = 0;
    for (let rank = 0; rank < place.ranks.count; rank++) {
      const note = noteOf(rank);
      if (note.committed !== own.committed) this.#fail(problems.apart, rank);
      if (note.checksum !== own.checksum) this.#fail(problems.different, rank);
      wish = Math.max(wish, note.wish);
    }
    if (wish === 0) return;
    Atomics.store(wait.words, words.agreed, wish);
    progress.endAfterThis();
  }

  #wait(mpi: MpiCalls | null, request: number): void {
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
