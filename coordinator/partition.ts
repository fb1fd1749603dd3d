/**
 * Cuts the shards of a batch into one span for each worker so that the slowest is done as soon as can be: the least
 * greatest cost of a contiguous partition.
 */
import { coverCounter } from './cover-counts.ts';
import { type Costs, type Distance, type SearchLimits, SpanSearch } from './span-search.ts';

/** What a step may take longer, as a share, so that a worker has something to do. */
export const mostDelay = 0.25;

/** Steps of the inner loop that a search may take, some nanoseconds each. */
const mostSteps = 2 ** 16;
/** More ends than these are not tried. */
const mostUnits = 2 ** 11;

/**
 * The end of each worker's span; it begins where the one before ends, and may be empty. As many of the fastest workers
 * have something to do as can without much delay; with these, no partition is faster; of those as fast, none has fewer
 * nodes, or as few and a smaller sum of distances (which is below 1).
 */
export function partition(costs: Costs, distance: Distance): number[] {
  const search = finestSearch(costs, { allWork: false });
  const least = search.leastSeconds();
  const bound = least * (1 + mostDelay);
  const ranked = costs.speeds
    .map((_, worker) => worker)
    .toSorted((a, b) => costs.speeds[b] - costs.speeds[a]);
  const able = ranked.filter((worker) => search.seconds(worker, 0, 1) <= bound).slice(0, search.units);
  for (let count = able.length; count > 0; count >>= 1) {
    const workers = able.slice(0, count).toSorted((a, b) => a - b);
    // Often all can work at no loss; little has to be tried to see that.
    for (const seconds of [least, bound]) {
      const ends = withAll(costs, search.block, workers, seconds, distance);
      if (ends !== null) return ends;
    }
  }
  // In this order, some workers that are slower do better than some that are faster.
  return search.bestEnds(least, distance);
}

/** Seconds until the slowest worker is done with the spans that end here. */
export function partitionSeconds(costs: Costs, ends: readonly number[]): number {
  const nodes = coverCounter(costs.shardCount);
  const seconds = ends.map((end, worker) => {
    const from = worker === 0 ? 0 : ends[worker - 1];
    return (end - from) / costs.speeds[worker] + nodes(from, end) * costs.nodeSeconds;
  });
  return seconds.reduce((slowest, one) => Math.max(slowest, one), 0);
}

/**
 * The search over as small blocks of shards as time allows, single shards if it can be. A block of 2ᵏ is a node, and
 * the tree over the blocks is that over the shards without its lowest levels.
 */
function finestSearch(costs: Costs, limits: SearchLimits, finest = 1): SpanSearch {
  let block = finest;
  while (costs.shardCount > block * mostUnits) block *= 2;
  let search = new SpanSearch(costs, block, limits);
  while (search.steps > mostSteps && search.units > 1) {
    block *= 2;
    search = new SpanSearch(costs, block, limits);
  }
  return search;
}

/** The best ends where each of these workers has something to do and all others nothing, or null. */
function withAll(
  costs: Costs,
  block: number,
  workers: readonly number[],
  bound: number,
  distance: Distance,
): number[] | null {
  const speeds = workers.map((worker) => costs.speeds[worker]);
  const search = finestSearch({ ...costs, speeds }, { allWork: true, bound }, block);
  const least = search.leastSeconds();
  if (least > bound) return null;
  const ends = search.bestEnds(least, (i, lo, hi) => distance(workers[i], lo, hi));
  const endOf = new Map(workers.map((worker, i) => [worker, ends[i]]));
  let end = 0;
  return costs.speeds.map((_, worker) => {
    end = endOf.get(worker) ?? end;
    return end;
  });
}
