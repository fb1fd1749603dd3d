/**
 * The exchange of a long vector among ranks: each sends every other the other's slice of its nodes, merges what it gets for
 * its own slice by the tree, and gives the merged slice to all. A rank so sends and receives 2 · S · (P − 1) ÷ P bytes for S
 * bytes of vector and P ranks of one node each, which is the least that is possible (Patarasuk and Yuan, 2009).
 */
import type { PartialLayout } from './partial.ts';
import { cutVector, nodesByRank, type RankOf } from './ranks.ts';
import type { TreeNode } from './tree.ts';

/** A run of the vector that is exchanged at a time, so that others can be computed meanwhile. */
export interface Chunk {
  /** Floats: slice r is `cuts[r] … cuts[r + 1] − 1`. */
  readonly cuts: readonly number[];
  /**
   * By rank and node: where the slice of this rank comes to, in bytes behind the beginning of one of two inboxes: of lower
   * ranks in the one below, of higher ones in the one above this rank's own vectors. So nodes lie in their order from left to
   * right. None for this rank, which has its own nodes already.
   */
  readonly arrivals: readonly (readonly number[])[];
}

export interface Redistribution {
  /** The nodes of each rank. */
  readonly nodes: readonly (readonly TreeNode[])[];
  /** Most nodes of a rank: so many messages go to each other rank. */
  readonly turns: number;
  readonly chunks: readonly Chunk[];
  readonly belowBytes: number;
  readonly aboveBytes: number;
}

export interface RedistributionSizes {
  readonly layout: PartialLayout;
  readonly shardCount: number;
  readonly ranks: RankOf;
  /** About so many floats a chunk. */
  readonly chunkFloats: number;
}

/** Plans the exchange of a vector. */
export function planRedistribution(sizes: RedistributionSizes): Redistribution {
  const { layout, shardCount, ranks, chunkFloats } = sizes;
  const { rank, count } = ranks;
  const nodes = nodesByRank(shardCount, count);
  const chunkCount = Math.max(1, Math.round(layout.floats / chunkFloats));
  const chunkCuts = cutVector(layout, 0, layout.floats, chunkCount);
  const used = { below: 0, above: 0 };
  const chunks = Array.from({ length: chunkCount }, (_, i): Chunk => {
    const cuts = cutVector(layout, chunkCuts[i], chunkCuts[i + 1], count);
    const bytes = 4 * (cuts[rank + 1] - cuts[rank]);
    const arrivals = nodes.map((its, from) => {
      if (from === rank) return [];
      const side = from < rank ? 'below' : 'above';
      return its.map(() => {
        const here = used[side];
        used[side] += bytes;
        return here;
      });
    });
    return { cuts, arrivals };
  });
  const turns = Math.max(...nodes.map(({ length }) => length));
  return { nodes, turns, chunks, belowBytes: used.below, aboveBytes: used.above };
}
