/** The partition against all partitions there are. */
import fc from 'fast-check';
import t from 'tap';
import { mostDelay, partition, partitionSeconds } from '../../coordinator/partition.ts';
import type { Costs, Distance } from '../../coordinator/span-search.ts';
import { coveringNodes } from '../../shared/reduction/tree.ts';
import { seed } from '../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);

/** All lists of ends of so many spans that end with the last shard. */
function allEnds(spans: number, shardCount: number, from = 0): number[][] {
  if (spans === 1) return [[shardCount]];
  const ends = Array.from({ length: shardCount - from + 1 }, (_, i) => from + i);
  return ends.flatMap((end) => allEnds(spans - 1, shardCount, end).map((rest) => [end, ...rest]));
}

function spansOf(ends: readonly number[]): { worker: number; lo: number; hi: number }[] {
  return ends.map((hi, worker) => ({ worker, lo: worker === 0 ? 0 : ends[worker - 1], hi }));
}

function secondsOf({ speeds, nodeSeconds, shardCount }: Costs, ends: readonly number[]): number {
  const all = spansOf(ends).map(({ worker, lo, hi }) => {
    return (hi - lo) / speeds[worker] + coveringNodes(lo, hi, shardCount).length * nodeSeconds;
  });
  return Math.max(...all);
}

/** Nodes and distances of a partition. */
function unwanted({ shardCount }: Costs, distance: Distance, ends: readonly number[]): number {
  return spansOf(ends)
    .filter(({ lo, hi }) => lo < hi)
    .map(({ worker, lo, hi }) => coveringNodes(lo, hi, shardCount).length + distance(worker, lo, hi))
    .reduce((sum, one) => sum + one, 0);
}

/** The partitions among which a choice is free, by the definition: all are as good as can be. */
function bestOf(costs: Costs, distance: Distance, all: readonly number[][]): number[][] {
  const least = Math.min(...all.map((ends) => secondsOf(costs, ends)));
  const fastest = all.filter((ends) => secondsOf(costs, ends) === least);
  const sum = Math.min(...fastest.map((ends) => unwanted(costs, distance, ends)));
  return fastest.filter((ends) => unwanted(costs, distance, ends) === sum);
}

/** The partitions in which exactly these workers have something to do. */
function workOf(workers: readonly number[], all: readonly number[][]): number[][] {
  return all.filter((ends) =>
    spansOf(ends).every(({ worker, lo, hi }) => workers.includes(worker) === lo < hi),
  );
}

const speed = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 2, 3, 0.5) },
  fc.double({ min: 0.1, max: 10, noNaN: true }),
);
const nodeSeconds = fc.constantFrom(0, 0.01, 0.5, 1, 7);

t.test('as many as can have work, then none is faster, then none has fewer nodes and less distance', (t) => {
  const seen = { ties: 0, delays: 0, idle: 0 };
  const cases = fc.record({
    shardCount: fc.integer({ min: 1, max: 11 }),
    speeds: fc.array(speed, { minLength: 1, maxLength: 4 }),
    nodeSeconds,
    place: fc.array(fc.nat(11), { minLength: 4, maxLength: 4 }),
  });
  fc.assert(
    fc.property(cases, ({ place, ...costs }) => {
      const { shardCount, speeds, nodeSeconds } = costs;
      // In binary fractions: sums are exact, whatever the order.
      const distance: Distance = (worker, lo, hi) =>
        (Math.abs(lo - place[worker]) + Math.abs(hi - place[worker])) / 1024;
      const all = allEnds(speeds.length, shardCount);
      const least = Math.min(...all.map((ends) => secondsOf(costs, ends)));
      const bound = least * (1 + mostDelay);
      const able = speeds
        .map((speed, worker) => ({ worker, speed }))
        .filter(({ speed }) => 1 / speed + nodeSeconds <= bound)
        .toSorted((a, b) => b.speed - a.speed)
        .slice(0, shardCount)
        .map(({ worker }) => worker);
      const crews = [able, able.slice(0, able.length >> 1), able.slice(0, able.length >> 2)];
      const inTime = crews
        .map((workers) => workOf(workers, all).filter((ends) => secondsOf(costs, ends) <= bound))
        .find((ends) => ends.length > 0);
      const best = bestOf(costs, distance, inTime ?? all);
      const got = partition(costs, distance);
      if (!best.some((ends) => ends.join() === got.join())) throw new Error(`${got}, expected ${best[0]}`);
      const seconds = secondsOf(costs, got);
      if (partitionSeconds(costs, got) !== seconds) throw new Error('partitionSeconds');
      if (bestOf(costs, () => 0, inTime ?? all).length > best.length) seen.ties++;
      if (seconds > least) seen.delays++;
      if (spansOf(got).some(({ lo, hi }) => lo === hi)) seen.idle++;
    }),
    { seed, numRuns: 1500 },
  );
  t.ok(seen.ties > 50 && seen.delays > 50 && seen.idle > 50, JSON.stringify(seen));
  t.end();
});

const nowhere: Distance = () => 0;

/** What anybody would do: cut at the places that speeds demand, rounded to whole blocks. */
function roundedEnds({ shardCount, speeds }: Costs, block: number): number[] {
  const all = speeds.reduce((sum, speed) => sum + speed, 0);
  let sum = 0;
  const ends = speeds.map((speed) => {
    sum += speed;
    return Math.min(shardCount, block * Math.round((shardCount * sum) / all / block));
  });
  ends[ends.length - 1] = shardCount;
  return ends;
}

t.test(
  'batches of up to 256 shards and 64 workers: all is done, not much slower than what is simple',
  (t) => {
    const cases = fc.record({
      shardCount: fc.integer({ min: 1, max: 256 }),
      speeds: fc.array(speed, { minLength: 1, maxLength: 64 }),
      nodeSeconds,
    });
    fc.assert(
      fc.property(cases, (costs) => {
        const ends = partition(costs, nowhere);
        const isWhole = ends.at(-1) === costs.shardCount && ends.every((end, i) => end >= (ends[i - 1] ?? 0));
        if (!isWhole) throw new Error(`ends ${ends}`);
        const seconds = secondsOf(costs, ends);
        const fastest = costs.speeds.indexOf(Math.max(...costs.speeds));
        const alone = costs.speeds.map((_, worker) => (worker < fastest ? 0 : costs.shardCount));
        for (const other of [alone, ...[1, 2, 4, 8, 16].map((block) => roundedEnds(costs, block))]) {
          if (seconds > secondsOf(costs, other) * (1 + mostDelay) * (1 + 1e-9))
            throw new Error(`${ends} is slower than ${other}`);
        }
      }),
      { seed, numRuns: 300 },
    );
    t.pass('300 cases');
    t.end();
  },
);

t.test(
  'larger ones are cut at blocks: all is done, not much slower than simple cuts at coarser blocks',
  (t) => {
    for (const [shardCount, workers] of [
      [1024, 200],
      [1023, 200],
      [65_536, 200],
      [65_521, 3],
      [2049, 1],
    ]) {
      for (const nodeSeconds of [0, 0.5, 7]) {
        const speeds = Array.from({ length: workers }, (_, i) => 1 + ((i * 7) % 5) / 2);
        const costs = { shardCount, speeds, nodeSeconds };
        const ends = partition(costs, nowhere);
        const isWhole = ends.at(-1) === shardCount && ends.every((end, i) => end >= (ends[i - 1] ?? 0));
        t.ok(isWhole, `${shardCount} shards, ${workers} workers, ${nodeSeconds} s a node`);
        const simple = secondsOf(costs, roundedEnds(costs, shardCount > 2048 ? 64 : 8));
        t.ok(
          secondsOf(costs, ends) <= simple * (1 + mostDelay),
          `${secondsOf(costs, ends)} s, simple ${simple} s`,
        );
      }
    }
    t.end();
  },
);
