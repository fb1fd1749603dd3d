/** Who computes which shards of a step: a span for each worker, by measured speed and by what partials cost. */
import { partition, partitionSeconds } from './partition.ts';
import type { Distance } from './span-search.ts';

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

/** A plan for the same workers is changed only if the step then takes less by this share, or wakes a worker that idles. */
export const leastGain = 0.1;

/** Where no speed is known at all: what a thread does, to weigh shards against partials. */
const guessedShardsPerSecond = 1000;

/**
 * Gives every worker a span, so that the slowest is done as soon as can be; shards ÷ speed + covering nodes ·
 * `nodeSeconds` is what a span takes. Whoever can help without much delay gets something. Among plans that are as fast
 * the one with fewer nodes is taken, then the one most like the previous plan.
 */
export function planSpans({ shardCount, workers, nodeSeconds, previous = [] }: PlanRequest): Assignment[] {
  if (workers.length === 0) return [];
  const costs = { shardCount, speeds: speedsOf(workers), nodeSeconds };
  const ends = partition(costs, distanceFrom(previous, workers, shardCount));
  const plan = workers.map(({ workerId }, i) => ({ workerId, lo: i === 0 ? 0 : ends[i - 1], hi: ends[i] }));
  if (!isPlanFor(previous, workers, shardCount)) return plan;
  const gain = 1 - partitionSeconds(costs, ends) / partitionSeconds(costs, endsOf(previous));
  const wakes = plan.some(({ lo, hi }, i) => lo < hi && previous[i].lo === previous[i].hi);
  return wakes || gain >= leastGain ? plan : [...previous];
}

/** Shards a second as measured; where there is none, what the median thread does for each thread. */
export function speedsOf(workers: readonly PlannedWorker[]): number[] {
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

/** How far spans are from those of a plan before; all of them together less than 1. */
function distanceFrom(
  previous: readonly Assignment[],
  workers: readonly PlannedWorker[],
  shardCount: number,
): Distance {
  const unit = 1 / (2 * shardCount * workers.length + 1);
  const before = new Map(previous.map((assignment) => [assignment.workerId, assignment]));
  const places = workers.map(({ workerId }) => before.get(workerId));
  return (worker, lo, hi) => {
    const place = places[worker];
    if (place === undefined) return 0;
    const shards = Math.abs(lo - place.lo) + Math.abs(hi - place.hi);
    return unit * Math.min(shards, 2 * shardCount);
  };
}

function endsOf(plan: readonly Assignment[]): number[] {
  return plan.map(({ hi }) => hi);
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
