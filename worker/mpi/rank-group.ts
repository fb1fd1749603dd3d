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
import type { MpiCalls } from './calls.ts';
import { type BatchExchanges, type ExchangesOptions, planExchanges } from './exchanges.ts';
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
  /** Which exchange of the step comes next. */
  #next = 0;
  /** Takes the time of what is computed within an exchange, while a step is watched. */
  #clock: PhaseClock | null = null;

  constructor(options: RankGroupOptions) {
    const { training, memory } = options;
    this.#options = options;
    this.#gradients = training.model.gradients;
    this.#exchangeCount = training.model.exchanges.length;
    this.#batches = planExchanges(options);
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
        calls.allgatherv(blocks, place.requests);
        this.#wait(calls, place.requests);
      }
      merger.merge(span, place.nodes);
    }
    barrier();
    exchange.receive(span, place.nodes);
  }

  /** A long vector: slices to their owners, merged there, and back. Chunk by chunk, so that one travels while others are summed. */
  #redistribute({ chunks, nodes }: BatchExchanges, exchange: Exchange, span: Span): void {
    const { place, calls, barrier } = this.#options;
    const isAlone = place.ranks.count === 1;
    for (const [i, chunk] of chunks.entries()) {
      this.#timed(() => {
        for (const [k, { lo, hi }] of nodes.entries()) {
          for (const { segment, at } of chunk.pieces[k])
            this.#gradients.mergeSegment(span, lo, hi, segment, at);
          if (chunk.losses !== null) this.#gradients.mergeLosses(lo, hi, chunk.losses[k]);
        }
      });
      barrier();
      if (calls === null) continue;
      if (i === 0) this.#tell(chunk.notesOut);
      if (!isAlone) calls.alltoallv(chunk.send, chunk.receive, chunk.requests.there);
    }
    for (const [i, chunk] of chunks.entries()) {
      if (calls !== null && !isAlone) this.#wait(calls, chunk.requests.there);
      if (calls !== null && i === 0) this.#hear(chunk.notesIn);
      barrier();
      this.#timed(() => chunk.merger.merge(span, this.#options.training.plan.gradient));
      barrier();
      if (calls !== null && !isAlone) calls.allgatherv(chunk.back, chunk.requests.back);
    }
    for (const { requests } of chunks) if (calls !== null && !isAlone) this.#wait(calls, requests.back);
    barrier();
    exchange.receive(span, this.#options.training.plan.gradient);
  }

  /** Writes what this rank tells the others, where it travels with the first chunk, and for itself. */
  #tell(places: readonly number[]): void {
    const { place, progress, training } = this.#options;
    const note = {
      committed: progress.committed,
      wish: Atomics.load(this.#options.wait.words, words.vote),
      checksum: training.model.checksum,
      busySeconds: progress.busySeconds(),
    };
    const own = place.notes + place.ranks.rank * noteBytes;
    for (const at of [own, ...places]) this.#notes.write(at, note);
  }

  /** Takes what the others tell. */
  #hear(places: readonly (number | null)[]): void {
    const { place, progress, wait } = this.#options;
    const own = this.#notes.read(place.notes + place.ranks.rank * noteBytes);
    let { wish } = own;
    for (const [rank, at] of places.entries()) {
      if (at === null) continue;
      this.#notes.copy(at, place.notes + rank * noteBytes);
      const note = this.#notes.read(at);
      if (note.committed !== own.committed) this.#fail(problems.apart, rank);
      if (note.checksum !== own.checksum) this.#fail(problems.different, rank);
      wish = Math.max(wish, note.wish);
    }
    if (wish === 0) return;
    Atomics.store(wait.words, words.agreed, wish);
    progress.endAfterThis();
  }

  #wait(calls: MpiCalls, request: number): void {
    const { wait, progress } = this.#options;
    progress.waiting(() => {
      const isDone = waitFor(() => calls.test(request), { ...wait, alive: () => progress.alive() });
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
