/** What the ranks of a job need of each other's memory: where partials, slices and totals lie that travel between them. */
import { panelBytes, panelCount } from '../kernels/kernels.ts';
import type { PartialLayout } from '../reduction/partial.ts';
import { nodesByRank, type RankOf } from '../reduction/ranks.ts';
import { planRedistribution, type Redistribution } from '../reduction/redistribution.ts';

/** One of the ranks that share every batch, and in what pieces they exchange gradients. */
export interface JobRank extends RankOf {
  /**
   * A gradient is exchanged in chunks of about so many floats, of which one is under way while the next is computed; all at
   * once if nothing is said.
   */
  readonly chunkFloats?: number | undefined;
}

/** Byte offsets. */
export interface RankPlace {
  readonly ranks: JobRank;
  /** Slices of this rank's nodes for all others, and all ranks' nodes for the slice of this one. */
  readonly outbox: number;
  readonly inbox: number;
  /** The nodes of all ranks, whole, in an exchange of batch normalisation; its total takes the first one's place. */
  readonly nodes: number;
  /** What each rank told last, `noteBytes` each. */
  readonly notes: number;
  /** Counts and displacements of the exchanges, i32. */
  readonly tables: number;
  readonly tableBytes: number;
  /** Requests that are under way, 8 bytes each. */
  readonly requests: number;
}

export interface RankSizes {
  readonly ranks: JobRank;
  readonly batchSize: number;
  readonly epochSamples: number;
  readonly shardSize: number;
  /** What the gradient is made of. */
  readonly gradient: PartialLayout;
  /** Most columns of a layer. */
  readonly width: number;
  /** Exchanges of batch normalisation in a step, at most. */
  readonly exchangeCount: number;
}

/** What every rank tells every other with each gradient; a cache line. */
export const noteBytes = 64;
/** Exchanges of a chunk: to the owners of slices, and back. */
const requestsPerChunk = 2;

/** The numbers of shards that a batch can have: that of all batches but the last, and of the last. */
export function shardCountsOf({
  batchSize,
  epochSamples,
  shardSize,
}: Pick<RankSizes, 'batchSize' | 'epochSamples' | 'shardSize'>): number[] {
  const whole = Math.min(batchSize, Math.max(epochSamples, 1));
  const last = epochSamples % whole || whole;
  return [...new Set([whole, last].map((rows) => Math.ceil(rows / shardSize)))];
}

/** How the gradient of a batch of so many shards is exchanged. */
export function redistributionOf(
  { ranks, gradient }: Pick<RankSizes, 'ranks' | 'gradient'>,
  shardCount: number,
): Redistribution {
  const { chunkFloats = gradient.floats } = ranks;
  return planRedistribution({ layout: gradient, shardCount, ranks, chunkFloats, noteBytes });
}

/** Plans the memory; `take` hands out room. */
export function planRanks(sizes: RankSizes, take: (bytes: number) => number): RankPlace {
  const { ranks, width, exchangeCount } = sizes;
  const shardCounts = shardCountsOf(sizes);
  const gradients = shardCounts.map((shardCount) => redistributionOf(sizes, shardCount));
  const most = (numbers: readonly number[]) => Math.max(...numbers);
  const totalBytes = 2 * panelCount(width) * panelBytes;
  const nodeCount = most(shardCounts.map((shardCount) => nodesByRank(shardCount, ranks.count).flat().length));
  // Of a chunk three lists, of any other exchange one; each of counts and displacements.
  const lists = gradients.reduce((count, { chunks }) => count + 3 * chunks.length + exchangeCount, 0);
  const tableBytes = 8 * ranks.count * lists;
  return {
    ranks,
    outbox: take(most(gradients.map(({ outboxBytes }) => outboxBytes))),
    inbox: take(most(gradients.map(({ inboxBytes }) => inboxBytes))),
    nodes: take(nodeCount * totalBytes),
    notes: take(ranks.count * noteBytes),
    tables: take(tableBytes),
    tableBytes,
    requests: take(8 * most(gradients.map(({ chunks }) => requestsPerChunk * chunks.length))),
  };
}

/** The places of ranks, in a memory that was planned for them. */
export function rankPlaceOf({ ranks }: { readonly ranks: RankPlace | null }): RankPlace {
  if (ranks === null) throw new Error('the memory was planned for a process of its own');
  return ranks;
}
