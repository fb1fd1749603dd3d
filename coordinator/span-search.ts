/** Dynamic programming over where the spans of workers end. */
import { coverCounter } from './cover-counts.ts';

export interface Costs {
  readonly shardCount: number;
  /** Shards per second, by worker. */
  readonly speeds: readonly number[];
  /** Seconds that one more partial costs its sender. */
  readonly nodeSeconds: number;
}

export interface SearchLimits {
  /** Whether every worker has to get something. */
  readonly allWork: boolean;
  /** Seconds beyond which nothing is looked for; by default some that suffice if not all have to work. */
  readonly bound?: number;
}

/** How far a span is from what is wanted for a worker; all spans of a partition together less than 1. */
export type Distance = (worker: number, lo: number, hi: number) => number;

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

const never = Number.POSITIVE_INFINITY;

/** A search over ends that are multiples of a block of 2ᵏ shards, the unit here. */
export class SpanSearch {
  readonly units: number;
  /** Shards of a unit; the last one may have fewer, which is not worth a distinction. */
  readonly block: number;
  readonly #costs: Costs;
  readonly #allWork: boolean;
  readonly #nodes: (lo: number, hi: number) => number;
  readonly #band: Band;

  constructor(costs: Costs, block: number, { allWork, bound }: SearchLimits) {
    this.#costs = costs;
    this.units = Math.ceil(costs.shardCount / block);
    this.block = block;
    this.#allWork = allWork;
    this.#nodes = coverCounter(this.units);
    this.#band = this.#bandOf(bound ?? this.#enoughSeconds());
  }

  /** Steps that the search takes, at most. */
  get steps(): number {
    const { most, first, last } = this.#band;
    return most.reduce((sum, count, worker) => sum + (last[worker] - first[worker] + 1) * (count + 1), 0);
  }

  /** Seconds that a worker takes for units `lo … hi−1`. */
  seconds(worker: number, lo: number, hi: number): number {
    const { speeds, nodeSeconds } = this.#costs;
    return ((hi - lo) * this.block) / speeds[worker] + this.#nodes(lo, hi) * nodeSeconds;
  }

  /** The least time in which the slowest worker can be done; infinite if the bound does not suffice. */
  leastSeconds(): number {
    // By unit: the least time in which the workers so far can do everything before it.
    let least: Float64Array = Float64Array.of(0);
    const band = this.#band;
    for (const [worker, most] of band.most.entries()) {
      const next = this.#nextRow(band, worker, least);
      const [first, last] = [band.first[worker], band.last[worker]];
      const [nextFirst, nextLast] = [band.first[worker + 1], band.last[worker + 1]];
      for (let lo = first; lo <= last; lo++) {
        const before = least[lo - first];
        const end = Math.min(nextLast, lo + most);
        for (let hi = Math.max(lo + 1, nextFirst); hi <= end; hi++) {
          if (before >= next[hi - nextFirst]) continue;
          const seconds = Math.max(before, this.seconds(worker, lo, hi));
          if (seconds < next[hi - nextFirst]) next[hi - nextFirst] = seconds;
        }
      }
      least = next;
    }
    return least[0] ?? never;
  }

  /** The ends, in shards, with the fewest nodes and then the least distance of those that take no longer than a bound. */
  bestEnds(bound: number, distance: Distance): number[] {
    // By unit: the least nodes and distance with which the workers so far do everything before it in time.
    let least: Float64Array = Float64Array.of(0);
    const band = this.#bandOf(bound);
    const starts = band.most.map((most, worker) => {
      const next = this.#nextRow(band, worker, least);
      const [first, last] = [band.first[worker], band.last[worker]];
      const [nextFirst, nextLast] = [band.first[worker + 1], band.last[worker + 1]];
      // An empty span begins at its end.
      const start = Int32Array.from(next, (_, i) => nextFirst + i);
      for (let lo = first; lo <= last; lo++) {
        const before = least[lo - first];
        const end = Math.min(nextLast, lo + most);
        for (let hi = Math.max(lo + 1, nextFirst); hi <= end; hi++) {
          if (before + 1 > next[hi - nextFirst] || this.seconds(worker, lo, hi) > bound) continue;
          const sum = before + this.#nodes(lo, hi) + distance(worker, this.#shard(lo), this.#shard(hi));
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
    return ends.map((end) => this.#shard(end));
  }

  /** Of each place where the next worker may start, what it takes to get there if this one does nothing. */
  #nextRow({ first, last }: Band, worker: number, row: Float64Array): Float64Array {
    const next = new Float64Array(Math.max(0, last[worker + 1] - first[worker + 1] + 1)).fill(never);
    if (this.#allWork) return next;
    const shift = first[worker + 1] - first[worker];
    for (let i = 0; i < next.length; i++) next[i] = row[shift + i] ?? never;
    return next;
  }

  /** The shard at which a unit begins. */
  #shard(unit: number): number {
    return Math.min(unit * this.block, this.#costs.shardCount);
  }

  /** The most units that a worker can do in some time, if they make one node. */
  #mostUnits(worker: number, seconds: number): number {
    const shards = (seconds - this.#costs.nodeSeconds) * this.#costs.speeds[worker];
    // Rounding must not lose a unit.
    return Math.max(0, Math.min(this.units, Math.floor(shards / this.block + 1e-6)));
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
    let enough = (this.units * this.block) / fastest + 64 * nodeSeconds;
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
      while (next > end && this.seconds(worker, end, next) > seconds) next--;
      end = next;
    }
    return end === this.units;
  }
}
