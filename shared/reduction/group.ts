import type { PartialLayout } from './partial.ts';
import type { Span } from './span.ts';

/** A point of the step at which the partials of shards become a total that every replica gets. */
export interface Exchange {
  /** For messages: `batch moments of layer 2 (batchnorm)`. */
  readonly name: string;
  /** Computes the partial of one shard into its slot; does nothing where a total needs no stored partials. */
  partial(span: Span, shard: number): void;
  /** Merges the partials of all shards, by the tree, into the total that this thread goes on with. */
  total(span: Span): void;

  // where partials leave the process

  readonly layout: PartialLayout;
  /**
   * Writes this thread's part of the partial of tree node `lo … hi−1` to a vector of the layout at byte offset `out`.
   * All threads must have computed the partials of these shards.
   */
  merge(span: Span, lo: number, hi: number, out: number): void;
  /** Goes on with a total that was merged elsewhere and lies in a vector of the layout at byte offset `total`. */
  receive(span: Span, total: number): void;
}

/**
 * Those who train a replica together. What differs between one thread, a team of threads and many machines is
 * only how a group turns partials into totals.
 */
export interface Group {
  /** Computes the partials of the span's shards and returns when their total over the whole batch is there. */
  allReduce(exchange: Exchange, span: Span): void;
  /** Does its share of what the threads over one memory divide, and returns when all of them have done theirs. */
  together(action: () => void): void;
  /** Ends a step: returns when what anyone in the group has updated is in the replica that comes next. */
  allGather(span: Span): void;
}

/** A group of threads over one memory; a barrier is all that they need to have in common. */
export class LocalGroup implements Group {
  readonly #barrier: () => void;

  constructor(barrier: () => void) {
    this.#barrier = barrier;
  }

  allReduce(exchange: Exchange, span: Span): void {
    for (let shard = span.firstShard; shard < span.endShard; shard++) exchange.partial(span, shard);
    // Everybody's partials are in memory; each thread merges what it needs itself, which is cheaper than to wait.
    this.#barrier();
    exchange.total(span);
  }

  together(action: () => void): void {
    action();
    this.#barrier();
  }

  allGather(): void {
    this.#barrier();
  }
}

/** A single thread is a group of one. */
export function soloGroup(): Group {
  return new LocalGroup(() => {});
}
