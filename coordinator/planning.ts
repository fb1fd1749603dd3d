/** Who computes which shards of a step: a span for each worker, by measured speed and by what partials cost. */
import { type Costs, partition, partitionSeconds, type Wishes } from './partition.ts';

export interface PlannedWorker {
  readonly workerId: string;
  /** As measured, or null where it is not known yet. */
  readonly shardsPerSecond: number | null;
  readonly threads: number;
}

/** The shards `lo … hi−1` that a worker holds; none if the two are equal. */
export interface Assignment {
  readonly workerId: string;
  readonly lo: number;
  readonly hi: number;
}

export interface PlanRequest {
  readonly shardCount: number;
  /** Spans follow one another in this order. */
  readonly workers: readonly PlannedWorker[];
  /** Seconds that one more partial costs its sender. */
  readonly nodeSeconds: number;
  /** The plan of steps before with as many shards. */
  readonly previous?: readonly Assignment[] | undefined;
}

/** A plan for the same workers is changed only if the slowest is then done sooner by this share. */
export const leastGain = 0.1;

/** Where no speed is known at all: what a thread does, to weigh shards against partials. */
const guessedShardsPerSecond = 1000;

/**
 * Gives every worker a span, so that the slowest is done as soon as can be; shards ÷ speed + covering nodes ·
 * `nodeSeconds` is what a span takes. Among plans that are as fast: nobody who could help idles (the slowest first),
 * then fewer nodes, then the one most like the previous plan.
 */
export function planSpans({ shardCount, workers, nodeSeconds, previous = [] }: PlanRequest): Assignment[] {
  if (workers.length === 0) return [];
  const costs = { shardCount, speeds: speedsOf(workers), nodeSeconds };
  const ends = partition(costs, wishesOf(costs, workers, previous));
  if (isPlanFor(previous, workers, shardCount)) {
    const before = previous.map(({ hi }) => hi);
    const gain = partitionSeconds(costs, before) - partitionSeconds(costs, ends);
    if (gain < leastGain * partitionSeconds(costs, before)) return [...previous];
  }
  return workers.map(({ workerId }, i) => ({ workerId, lo: i === 0 ? 0 : ends[i - 1], hi: ends[i] }));
}

/** Measured speeds; where there is none, that of the median thread for each thread. */
function speedsOf(workers: readonly PlannedWorker[]): number[] {
  const perThread = workers
    .flatMap(({ shardsPerSecond, threads }) => (shardsPerSecond === null ? [] : [shardsPerSecond / threads]))
    .toSorted((a, b) => a - b);
  const middle = perThread[(perThread.length - 1) >> 1] ?? guessedShardsPerSecond;
  return workers.map(({ workerId, shardsPerSecond, threads }) => {
    const speed = shardsPerSecond ?? middle * threads;
    if (speed > 0 && Number.isFinite(speed)) return speed;
    throw new RangeError(`worker ${workerId}: got ${speed} shards per second, expected a number above 0`);
  });
}

function wishesOf(
  { shardCount, speeds }: Costs,
  workers: readonly PlannedWorker[],
  previous: readonly Assignment[],
): Wishes {
  const fastest = speeds.reduce((most, speed) => Math.max(most, speed), 0);
  // All spans together have fewer nodes than this, and all distances together are below 1: each decides after the other.
  const idling = workers.length * 64;
  const unit = 1 / (2 * shardCount * workers.length + 1);
  const before = new Map(previous.map((assignment) => [assignment.workerId, assignment]));
  const places = workers.map(({ workerId }) => before.get(workerId));
  return {
    idle: (worker) => idling * (1 + speeds[worker] / fastest),
    distance: (worker, lo, hi) => {
      const place = places[worker];
      return place === undefined ? 0 : unit * (Math.abs(lo - place.lo) + Math.abs(hi - place.hi));
    },
  };
}

/** Whether a plan gives all shards to these workers, each in its place. */
function isPlanFor(
  plan: readonly Assignment[],
  workers: readonly PlannedWorker[],
  shardCount: number,
): boolean {
  if (plan.length !== workers.length || plan.at(-1)?.hi !== shardCount) return false;
  return plan.every(({ workerId, lo }, i) => {
    return workerId === workers[i].workerId && lo === (i === 0 ? 0 : plan[i - 1].hi);
  });
}
