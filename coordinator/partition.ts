/**
 * Cuts the shards of a batch into one span for each worker so that the slowest is done as soon as can be: the least
 * greatest cost of a contiguous partition, by dynamic programming.
 */
import { coverCounter } from './cover-counts.ts';

export interface Costs {
  readonly shardCount: number;
  /** Shards per second, by worker. */
  readonly speeds: readonly number[];
  /** Seconds that one more partial costs its sender. */
  readonly nodeSeconds: number;
}

/** What is wanted of partitions that are equally fast: the least sum of these. */
export interface Wishes {
  /** For a worker that gets nothing, though it could do something in time. */
  idle(worker: number): number;
  /** For a worker that gets shards `lo … hi−1`, beside the number of nodes that cover them. */
  distance(worker: number, lo: number, hi: number): number;
}

/** Steps of the inner loop that a search may take, some nanoseconds each. */
const mostSteps = 2 ** 18;
/** More ends than these are not tried. */
const mostUnits = 2 ** 11;

/** The end of each worker's span; it begins where the one before ends, and may be empty. */
export function partition(costs: Costs, wishes: Wishes): number[] {
  let block = 1;
  while (costs.shardCount > block * mostUnits) block *= 2;
  let search = new Search(costs, block);
  // Where single shards are too many to try, blocks of 2ᵏ of them do: a block is a node, and the tree over the blocks
  // is that over the shards without its lowest levels.
  while (search.steps > mostSteps && search.units > 1) {
    block *= 2;
    search = new Search(costs, block);
  }
  return search.best(wishes);
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

/** What is worth trying if all is to be done in some time; in units. */
interface Band {
  /** The longest span of each worker. */
  readonly most: readonly number[];
  /**
   * Where each worker may start: those from it on can do the rest in time, those before it get as far. There is one
   * place more than there are workers: the last one's end.
   */
  readonly first: readonly number[];
  readonly last: readonly number[];
}

/** A search over ends that are multiples of a block, the unit here. */
class Search {
  readonly units: number;
  readonly #costs: Costs;
  readonly #nodes: (lo: number, hi: number) => number;
  /** Shards of a unit; the last one may have fewer, which is not worth a distinction. */
  readonly #block: number;
  /** A time that suffices, if not the least. */
  readonly #band: Band;

  constructor(costs: Costs, block: number) {
    this.#costs = costs;
    this.units = Math.ceil(costs.shardCount / block);
    this.#nodes = coverCounter(this.units);
    this.#block = block;
    this.#band = this.#bandOf(this.#enoughSeconds());
  }

  /** Steps that the search takes, at most. */
  get steps(): number {
    const { most, first, last } = this.#band;
    return most.reduce((sum, count, worker) => sum + (last[worker] - first[worker] + 1) * (count + 1), 0);
  }

  /** The ends of the spans, in shards. */
  best(wishes: Wishes): number[] {
    return this.#mostWished(this.#leastSeconds(), wishes).map((unit) => this.#shard(unit));
  }

  /** Seconds that a worker takes for units `lo … hi−1`. */
  #seconds(worker: number, lo: number, hi: number): number {
    const { speeds, nodeSeconds } = this.#costs;
    return ((hi - lo) * this.#block) / speeds[worker] + this.#nodes(lo, hi) * nodeSeconds;
  }

  /** The shard at which a unit begins. */
  #shard(unit: number): number {
    return Math.min(unit * this.#block, this.#costs.shardCount);
  }

  /** The most units that a worker can do in some time, if they make one node. */
  #mostUnits(worker: number, seconds: number): number {
    const shards = (seconds - this.#costs.nodeSeconds) * this.#costs.speeds[worker];
    // Rounding must not lose a unit.
    return Math.max(0, Math.min(this.units, Math.floor(shards / this.#block + 1e-6)));
  }

  #bandOf(seconds: number): Band {
    const most = this.#costs.speeds.map((_, worker) => this.#mostUnits(worker, seconds));
    const before = [0];
    for (const [worker, count] of most.entries()) before.push(before[worker] + count);
    const all = before[most.length];
    return {
      most,
      first: before.map((count) => Math.max(0, this.units - (all - count))),
      last: before.map((count) => Math.min(this.units, count)),
    };
  }

  /** A time that suffices if each worker takes all that it can, near the least such time. */
  #enoughSeconds(): number {
    const { speeds, nodeSeconds } = this.#costs;
    const fastest = speeds.reduce((most, speed) => Math.max(most, speed), 0);
    // The fastest can do all there is in any case: no span has 64 nodes.
    let enough = (this.units * this.#block) / fastest + 64 * nodeSeconds;
    let tooLittle = 0;
    for (let i = 0; i < 20; i++) {
      const seconds = (enough + tooLittle) / 2;
      if (this.#suffices(seconds)) enough = seconds;
      else tooLittle = seconds;
    }
    return enough;
  }

  #suffices(seconds: number): boolean {
    let end = 0;
    for (let worker = 0; worker < this.#costs.speeds.length && end < this.units; worker++) {
      let next = Math.min(this.units, end + this.#mostUnits(worker, seconds));
      while (next > end && this.#seconds(worker, end, next) > seconds) next--;
      end = next;
    }
    return end === this.units;
  }

  /** The least time in which the slowest worker can be done. */
  #leastSeconds(): number {
    // By unit: the least time in which the workers so far can do everything before it.
    let least: Float64Array = Float64Array.of(0);
    const band = this.#band;
    for (const [worker, most] of band.most.entries()) {
      const next = nextRow(band, worker, least, 0);
      const [first, last] = [band.first[worker], band.last[worker]];
      const [nextFirst, nextLast] = [band.first[worker + 1], band.last[worker + 1]];
      for (let lo = first; lo <= last; lo++) {
        const before = least[lo - first];
        const end = Math.min(nextLast, lo + most);
        for (let hi = Math.max(lo + 1, nextFirst); hi <= end; hi++) {
          if (before >= next[hi - nextFirst]) continue;
          const seconds = Math.max(before, this.#seconds(worker, lo, hi));
          if (seconds < next[hi - nextFirst]) next[hi - nextFirst] = seconds;
        }
      }
      least = next;
    }
    return least[0];
  }

  /** Among the partitions that take no longer, the one that is wanted most; its ends. */
  #mostWished(bound: number, wishes: Wishes): number[] {
    // By unit: the least sum of what is not wanted, with all workers so far done in time.
    let least: Float64Array = Float64Array.of(0);
    const band = this.#bandOf(bound);
    const starts = band.most.map((most, worker) => {
      const idle = this.#seconds(worker, 0, 1) > bound ? 0 : wishes.idle(worker);
      const next = nextRow(band, worker, least, idle);
      const [first, last] = [band.first[worker], band.last[worker]];
      const [nextFirst, nextLast] = [band.first[worker + 1], band.last[worker + 1]];
      // An empty span begins at its end.
      const start = Int32Array.from(next, (_, i) => nextFirst + i);
      for (let lo = first; lo <= last; lo++) {
        const before = least[lo - first];
        const end = Math.min(nextLast, lo + most);
        for (let hi = Math.max(lo + 1, nextFirst); hi <= end; hi++) {
          if (before + 1 > next[hi - nextFirst] || this.#seconds(worker, lo, hi) > bound) continue;
          const distance = wishes.distance(worker, this.#shard(lo), this.#shard(hi));
          const sum = before + this.#nodes(lo, hi) + distance;
          if (sum < next[hi - nextFirst]) {
            next[hi - nextFirst] = sum;
            start[hi - nextFirst] = lo;
          }
        }
      }
      least = next;
      return start;
    });
    const ends = starts.map(() => this.units);
    for (let worker = ends.length - 1; worker > 0; worker--) {
      ends[worker - 1] = starts[worker][ends[worker] - band.first[worker + 1]];
    }
    return ends;
  }
}

/** Of each place where the next worker may start, what it costs to get there if this one does nothing. */
function nextRow({ first, last }: Band, worker: number, row: Float64Array, idle: number): Float64Array {
  const next = new Float64Array(last[worker + 1] - first[worker + 1] + 1);
  const shift = first[worker + 1] - first[worker];
  for (let i = 0; i < next.length; i++) next[i] = (row[shift + i] ?? Number.POSITIVE_INFINITY) + idle;
  return next;
}
