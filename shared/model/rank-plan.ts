/** What the ranks of a job need of each other's memory: where partials, slices and totals lie that travel between them. */
import { usageError } from '../errors.ts';
import { panelBytes, panelCount } from '../kernels/kernels.ts';
import type { PartialLayout } from '../reduction/partial.ts';
import type { RankOf } from '../reduction/ranks.ts';
import { planRedistribution, type Redistribution } from '../reduction/redistribution.ts';
import type { Replica } from '../reduction/span.ts';

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
  /** What ranks of one machine can have in common: the two replicas, and a window of each rank into which all others see. */
  readonly common: readonly [replicas: Piece, windows: Piece];
  /** By rank, where its window begins; null where there is no room for all of them. All of them are made alike. */
  readonly windows: readonly number[] | null;
  /** This rank's own window. In it are the room of the total gradient and what follows up to `signals`. */
  readonly window: number;
  /** The nodes of this rank, but for the first one, which is in the room of the total gradient before. */
  readonly vectors: number;
  /** The nodes of all ranks, whole, in an exchange of batch normalisation; its total takes the first one's place. */
  readonly nodes: number;
  /** What each rank told last, `noteBytes` each. */
  readonly notes: number;
  /** How far this rank is with exchanges by windows, `signalBytes`. */
  readonly signals: number;
  /** What MPI brings for this rank's slice of the gradient: of lower ranks `below` the window, of higher ones `above`. */
  readonly below: number;
  readonly above: number;
  /** For the threads of this rank, one behind the other: checksums of what is in memory, `checksumBytes` each. */
  readonly checksums: number;
  /** Counts and displacements of the exchanges, i32. */
  readonly tables: number;
  readonly tableBytes: number;
  /** Requests of a gradient that are under way, 8 bytes each, and the one of notes and of batch normalisation. */
  readonly requests: number;
  readonly request: number;
}

/** Whole pages of a memory. */
export interface Piece {
  readonly at: number;
  readonly bytes: number;
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
  /** Of a flat vector, and of the room of the total gradient. */
  readonly flatBytes: number;
  readonly totalBytes: number;
}

/** MPI counts bytes in a C int. */
const mostBytes = 2 ** 31 - 1;
/** What every rank tells every other in each step; a cache line. */
export const noteBytes = 64;
/** So that threads do not write to the same cache line. */
export const checksumBytes = 64;
/** Two words, a cache line each. */
export const signalBytes = 128;
/** Windows begin and end between pages, which are 64 KiB at most. */
const pageBytes = 65_536;
/** Of the 4 GiB that a memory can have, windows may take so many. */
const mostWindowBytes = 2 ** 30;

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

/** What others may see of a rank, and has its place in any process. */
export interface SeenPlace {
  readonly replicas: readonly Replica[];
  /** Room of the total gradient. */
  readonly gradient: number;
}

/**
 * Plans the memory.
 * @param take hands out room, from low to high, in multiples of 64 bytes
 */
export function planRanks(
  sizes: RankSizes,
  take: (bytes: number) => number,
): { readonly place: RankPlace; readonly seen: SeenPlace } {
  const { ranks, width, exchangeCount, gradient, flatBytes, totalBytes } = sizes;
  const { rank, count } = ranks;
  const plans = shardCountsOf(sizes).map((shardCount) => redistributionOf(sizes, shardCount));
  const most = (of: (plan: Redistribution) => number) => Math.max(...plans.map(of));
  // In a window everything is as long as it is at any rank, so that it lies alike in all.
  let windowBytes = 0;
  const show = (bytes: number): number => {
    const offset = windowBytes;
    windowBytes += Math.ceil(bytes / 64) * 64;
    return offset;
  };
  const total = show(totalBytes);
  const mostVectors = most(({ nodes }) => Math.max(...nodes.map((own) => own.length)));
  const vectors = show(Math.max(0, mostVectors - 1) * vectorBytes(gradient));
  const nodes = show(most(({ nodes }) => nodes.flat().length) * 2 * panelCount(width) * panelBytes);
  const notes = show(count * noteBytes);
  const signals = show(signalBytes);
  windowBytes = Math.ceil(windowBytes / pageBytes) * pageBytes;

  const takePages = (bytes: number): Piece => {
    const whole = Math.ceil(bytes / pageBytes) * pageBytes;
    return { at: Math.ceil(take(whole + pageBytes) / pageBytes) * pageBytes, bytes: whole };
  };
  const lineBytes = Math.ceil(flatBytes / 64) * 64;
  const replicas = takePages(4 * lineBytes);
  // Never nothing: Open MPI takes it for MPI_IN_PLACE where what is sent and what is received begin at one address.
  const below = take(most(({ belowBytes }) => Math.max(1, belowBytes)));
  const isRoom = count * windowBytes <= mostWindowBytes;
  const windowsPiece = takePages((isRoom ? count : 1) * windowBytes);
  const windows = isRoom
    ? Array.from({ length: count }, (_, one) => windowsPiece.at + one * windowBytes)
    : null;
  const window = windows?.[rank] ?? windowsPiece.at;
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
    seen: {
      replicas: [0, 2].map((i) => ({
        flat: replicas.at + i * lineBytes,
        state: replicas.at + (i + 1) * lineBytes,
      })),
      gradient: window + total,
    },
    place: {
      ranks,
      common: [replicas, windowsPiece],
      windows,
      window,
      vectors: window + vectors,
      nodes: window + nodes,
      notes: window + notes,
      signals: window + signals,
      below,
      above,
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

/** By rank, where windows were planned. */
export function windowsOf({ windows }: RankPlace): readonly number[] {
  if (windows === null) throw new Error('the memory was planned without the windows of other ranks');
  return windows;
}
