/**
 * The exchange of a long vector among ranks: each sends every other the other's slice of its nodes, merges what it gets for
 * its own slice by the tree, and gives the merged slice to all. A rank so sends and receives 2 · S · (P − 1) ÷ P bytes for S
 * bytes of vector and P ranks of one node each, which is the least that is possible (Patarasuk and Yuan, 2009).
 */
import type { PartialLayout } from './partial.ts';
import { cutVector, nodesByRank, type RankOf } from './ranks.ts';
import type { TreeNode } from './tree.ts';

/** For each rank so many bytes, so many bytes behind the beginning of a buffer. */
export interface BlockList {
  readonly counts: readonly number[];
  readonly displacements: readonly number[];
}

/** A run of the vector that is exchanged at a time, so that others can be computed meanwhile. */
export interface Chunk {
  /** Floats: slice r is `cuts[r] … cuts[r + 1] − 1`. */
  readonly cuts: readonly number[];
  /** To every other rank, from the outbox: its slice of this rank's nodes, one behind the other, then a note. */
  readonly send: BlockList;
  /**
   * From every other rank, in the inbox: this rank's slice of the other's nodes, then a note. The block of this rank itself
   * has no bytes that travel, but its place: it writes its own slice there.
   */
  readonly receive: BlockList;
  /** Every rank's merged slice in the total. */
  readonly back: BlockList;
}

export interface Redistribution {
  /** The nodes of each rank. */
  readonly nodes: readonly (readonly TreeNode[])[];
  readonly chunks: readonly Chunk[];
  readonly outboxBytes: number;
  readonly inboxBytes: number;
}

export interface RedistributionSizes {
  readonly layout: PartialLayout;
  readonly shardCount: number;
  readonly ranks: RankOf;
  /** About so many floats a chunk. */
  readonly chunkFloats: number;
  /** What every rank tells every other beside the first chunk. */
  readonly noteBytes: number;
}

/** Plans the exchange of a vector. */
export function planRedistribution(sizes: RedistributionSizes): Redistribution {
  const { layout, shardCount, ranks, chunkFloats, noteBytes } = sizes;
  const nodes = nodesByRank(shardCount, ranks.count);
  const chunkCount = Math.max(1, Math.round(layout.floats / chunkFloats));
  const chunkCuts = cutVector(layout, 0, layout.floats, chunkCount);
  const chunks: Chunk[] = [];
  let outboxBytes = 0;
  let inboxBytes = 0;
  for (let i = 0; i < chunkCount; i++) {
    const cuts = cutVector(layout, chunkCuts[i], chunkCuts[i + 1], ranks.count);
    const bytesOf = cuts.slice(1).map((cut, rank) => 4 * (cut - cuts[rank]));
    const note = i === 0 ? noteBytes : 0;
    const blockBytes = (of: number, slice: number) => nodes[of].length * bytesOf[slice] + note;
    const others = (bytes: (rank: number) => number) =>
      bytesOf.map((_, rank) => (rank === ranks.rank ? 0 : bytes(rank)));
    const send = blocks(
      outboxBytes,
      others((rank) => blockBytes(ranks.rank, rank)),
    );
    const places = blocks(
      inboxBytes,
      bytesOf.map((_, rank) => blockBytes(rank, ranks.rank)),
    );
    chunks.push({
      cuts,
      send,
      receive: {
        counts: others((rank) => places.counts[rank]),
        displacements: places.displacements,
      },
      back: { counts: bytesOf, displacements: cuts.slice(0, -1).map((cut) => 4 * cut) },
    });
    outboxBytes += sum(send.counts);
    inboxBytes += sum(places.counts);
  }
  return { nodes, chunks, outboxBytes, inboxBytes };
}

/** Blocks one behind the other. */
function blocks(first: number, counts: readonly number[]): BlockList {
  let next = first;
  const displacements = counts.map((count) => {
    const here = next;
    next += count;
    return here;
  });
  return { counts, displacements };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
