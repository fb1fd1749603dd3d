import type { Share } from './ranks.ts';

/** One copy of everything that a step changes; byte offsets. */
export interface Replica {
  /** The flat vector: parameters and running statistics. */
  readonly flat: number;
  /** The optimizer's state, float by float beside the flat vector. */
  readonly state: number;
}

/** The run of consecutive shards that one thread holds for a step. */
export interface Span {
  /** What the step starts from, and what it writes. */
  current: Replica;
  next: Replica;
  /** Place of the batch's first sample in the epoch's order. */
  firstSample: number;
  /** Samples in the batch; the last one of an epoch may be short. */
  rows: number;
  readonly shardSize: number;
  /** Shards in the batch. */
  shardCount: number;
  /** Shards `firstShard … endShard−1` and rows `firstRow … endRow−1` are this thread's. */
  firstShard: number;
  endShard: number;
  firstRow: number;
  endRow: number;
  /** Rows `firstTeamRow … endTeamRow−1` are those of all threads over this memory. */
  firstTeamRow: number;
  endTeamRow: number;
}

export function newSpan(shardSize: number): Span {
  const nowhere = { flat: 0, state: 0 };
  return {
    current: nowhere,
    next: nowhere,
    firstSample: 0,
    rows: 0,
    shardSize,
    shardCount: 0,
    firstShard: 0,
    endShard: 0,
    firstRow: 0,
    endRow: 0,
    firstTeamRow: 0,
    endTeamRow: 0,
  };
}

/**
 * Gives a thread its part of the shards that those over its memory have of a batch: runs as equal as they can be, some empty
 * if there are few.
 * @param shareOf says which these are, of so many: all, if nothing is said
 */
export function assignSpan(
  span: Span,
  rows: number,
  rank: number,
  size: number,
  shareOf: (shardCount: number) => Share = wholeBatch,
): void {
  span.rows = rows;
  span.shardCount = Math.ceil(rows / span.shardSize);
  const { lo, hi } = shareOf(span.shardCount);
  span.firstTeamRow = Math.min(lo * span.shardSize, rows);
  span.endTeamRow = Math.min(hi * span.shardSize, rows);
  const first = (part: number) => lo + Math.floor(((hi - lo) * part) / size);
  assignShards(span, first(rank), first(rank + 1));
}

/** The shards of those who have all of them. */
export function wholeBatch(shardCount: number): Share {
  return { lo: 0, hi: shardCount };
}

/** Gives a thread certain shards of the batch. */
export function assignShards(span: Span, firstShard: number, endShard: number): void {
  span.firstShard = firstShard;
  span.endShard = endShard;
  span.firstRow = Math.min(firstShard * span.shardSize, span.rows);
  span.endRow = Math.min(endShard * span.shardSize, span.rows);
}

/** First row of a shard. */
export function shardStart(span: Span, shard: number): number {
  return shard * span.shardSize;
}

/** Samples of a shard; the last one may be shorter. */
export function shardRows(span: Span, shard: number): number {
  return Math.min((shard + 1) * span.shardSize, span.rows) - shard * span.shardSize;
}
