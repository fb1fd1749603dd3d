/** What the ranks of a job need of each other's memory: where partials, slices and totals lie that travel between them. */
import { usageError } from '../errors.ts';
import { panelBytes, panelCount } from '../kernels/kernels.ts';
import type { PartialLayout } from '../reduction/partial.ts';
import type { RankOf } from '../reduction/ranks.ts';
import { planRedistribution, type Redistribution } from '../reduction/redistribution.ts';

/** One of the ranks that share every batch, and in what pieces they exchange gradients. */
export interface JobRank extends RankOf {
  /**
   * A gradient is exchanged in chunks of about so many floats, of which one is under way while the next is computed. All at
   * once if nothing is said, which is the fastest where ranks share a memory; for networks it has yet to be measured.
   */
  readonly chunkFloats?: number | undefined;
}

/** Byte offsets. */
export interface RankPlace {
  readonly ranks: JobRank;
  /**
   * What comes for this rank's slice of the gradient: of lower ranks `below`, of higher ones `above`. In between lie this rank's
   * own nodes, the first in the room of the total gradient and the others from `vectors` on.
   */
  readonly below: number;
  readonly vectors: number;
  readonly above: number;
  /** The nodes of all ranks, whole, in an exchange of batch normalisation; its total takes the first one's place. */
  readonly nodes: number;
  /** What each rank told last, `noteBytes` each. */
  readonly notes: number;
  /** For the threads of this rank, one behind the other: checksums of what is in memory, `checksumBytes` each. */
  readonly checksums: number;
  /** Counts and displacements of the exchanges, i32. */
  readonly tables: number;
  readonly tableBytes: number;
  /** Requests of a gradient that are under way, 8 bytes each, and the one of notes and of batch normalisation. */
  readonly requests: number;
  readonly request: number;
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
  readonly threads: number;
}

/** MPI counts bytes in a C int. */
const mostBytes = 2 ** 31 - 1;
/** What every rank tells every other in each step; a cache line. */
export const noteBytes = 64;
/** So that threads do not write to the same cache line. */
export const checksumBytes = 64;

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
  return planRedistribution({ layout: gradient, shardCount, ranks, chunkFloats });
}

/** Bytes from one vector of this rank to the next. */
export function vectorBytes({ floats }: PartialLayout): number {
  return 4 * floats;
}

/**
 * Plans the memory.
 * @param take hands out room, from low to high; `gradient` takes that of the total gradient
 */
export function planRanks(
  sizes: RankSizes,
  take: (bytes: number) => number,
  gradient: () => number,
): { readonly place: RankPlace; readonly gradient: number } {
  const { ranks, width, exchangeCount } = sizes;
  const { rank, count } = ranks;
  const shardCounts = shardCountsOf(sizes);
  const plans = shardCounts.map((shardCount) => redistributionOf(sizes, shardCount));
  const most = (of: (plan: Redistribution) => number) => Math.max(...plans.map(of));
  // Never nothing: Open MPI takes it for MPI_IN_PLACE where what is sent and what is received begin at one address.
  const below = take(most(({ belowBytes }) => Math.max(1, belowBytes)));
  const total = gradient();
  const vectors = take(
    most(({ nodes }) => Math.max(0, nodes[rank].length - 1)) * vectorBytes(sizes.gradient),
  );
  const above = take(most(({ aboveBytes }) => aboveBytes));
  if (above + most(({ aboveBytes }) => aboveBytes) - below > mostBytes) {
    throw usageError(
      'this model is too large for --transport mpi, whose counts end at 2 GiB; make it smaller',
    );
  }
  // Of a chunk two lists for each crossing and one for the way back; of any other exchange one, and of notes.
  const lists = plans.reduce(
    (sum, { chunks, turns }) => sum + (2 * turns + 1) * chunks.length + exchangeCount,
    1,
  );
  const tableBytes = 8 * count * lists;
  return {
    gradient: total,
    place: {
      ranks,
      below,
      vectors,
      above,
      nodes: take(most(({ nodes }) => nodes.flat().length) * 2 * panelCount(width) * panelBytes),
      notes: take(count * noteBytes),
      checksums: take(sizes.threads * checksumBytes),
      tables: take(tableBytes),
      tableBytes,
      requests: take(8 * most(({ chunks, turns }) => (turns + 1) * chunks.length)),
      request: take(8),
    },
  };
}

/** The places of ranks, in a memory that was planned for them. */
export function rankPlaceOf({ ranks }: { readonly ranks: RankPlace | null }): RankPlace {
  if (ranks === null) throw new Error('the memory was planned for a process of its own');
  return ranks;
}
