/** Who gets which shards. */
import fc from 'fast-check';
import t from 'tap';
import { mostDelay } from '../../coordinator/partition.ts';
import { type Assignment, leastGain, type PlannedWorker, planSpans } from '../../coordinator/planning.ts';
import { coveringNodes } from '../../shared/reduction/tree.ts';
import { seed } from '../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);

/** Workers of one thread with these speeds, by letter. */
function workersOf(...speeds: (number | null)[]): PlannedWorker[] {
  return speeds.map((shardsPerSecond, i) => ({ workerId: idOf(i), shardsPerSecond, threads: 1 }));
}

function idOf(i: number): string {
  return `w${i}`;
}

function counts(plan: readonly Assignment[]): number[] {
  return plan.map(({ lo, hi }) => hi - lo);
}

/** Seconds until the slowest of workers whose speeds are known is done. */
function secondsOf(
  plan: readonly Assignment[],
  workers: readonly PlannedWorker[],
  shardCount: number,
  nodeSeconds: number,
): number {
  const all = plan.map(({ lo, hi }, i) => {
    const nodes = coveringNodes(lo, hi, shardCount).length;
    return (hi - lo) / (workers[i].shardsPerSecond ?? Number.NaN) + nodes * nodeSeconds;
  });
  return Math.max(...all);
}

/** What is wrong with a plan whatever the speeds are, or null. */
function flaw(
  plan: readonly Assignment[],
  workers: readonly PlannedWorker[],
  shardCount: number,
): string | null {
  if (plan.map(({ workerId }) => workerId).join() !== workers.map(({ workerId }) => workerId).join())
    return 'workers';
  const held = plan.flatMap(({ lo, hi }) => Array.from({ length: Math.max(hi - lo, 0) }, (_, i) => lo + i));
  const isEach = held.length === shardCount && held.every((shard, i) => shard === i);
  return isEach ? null : `shards ${held}`;
}

const requests = fc.record({
  shardCount: fc.integer({ min: 1, max: 100 }),
  workers: fc
    .array(
      fc.record({
        shardsPerSecond: fc.oneof(
          { weight: 4, arbitrary: fc.double({ min: 0.01, max: 1e4, noNaN: true }) },
          fc.constant(null),
        ),
        threads: fc.integer({ min: 1, max: 64 }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((workers) => workers.map((worker, i) => ({ ...worker, workerId: idOf(i) }))),
  nodeSeconds: fc.constantFrom(0, 1e-4, 0.0005, 0.01, 3),
});

t.test('every shard is given to one worker, in the order of the workers', (t) => {
  let idle = 0;
  fc.assert(
    fc.property(requests, (request) => {
      const plan = planSpans(request);
      const wrong = flaw(plan, request.workers, request.shardCount);
      if (wrong !== null) throw new Error(wrong);
      if (counts(plan).includes(0)) idle++;
    }),
    { seed, numRuns: 1000 },
  );
  t.ok(idle > 0, `someone got nothing in ${idle} of 1000 cases`);
  t.end();
});

t.test('equal workers get aligned halves and quarters', (t) => {
  for (const nodeSeconds of [0, 0.0005, 0.1]) {
    t.same(counts(planSpans({ shardCount: 8, workers: workersOf(100, 100), nodeSeconds })), [4, 4]);
    t.same(counts(planSpans({ shardCount: 16, workers: workersOf(1, 1, 1, 1), nodeSeconds })), [4, 4, 4, 4]);
    t.same(counts(planSpans({ shardCount: 7, workers: workersOf(9, 9), nodeSeconds })), [4, 3]);
    t.same(counts(planSpans({ shardCount: 8, workers: workersOf(null, null), nodeSeconds })), [4, 4]);
  }
  t.end();
});

t.test('balance of load is weighed against partials', (t) => {
  const plan = (nodeSeconds: number) =>
    counts(planSpans({ shardCount: 12, workers: workersOf(1000, 1000), nodeSeconds }));
  t.same(plan(0), [6, 6], 'partials cost nothing: two of four and two shards each');
  t.same(plan(0.0015), [6, 6]);
  t.same(plan(0.0025), [8, 4], 'a partial costs more than two shards');
  t.end();
});

t.test('shares fit speeds: nobody has more than a shard too many, or two too few', (t) => {
  for (const speeds of [
    [1, 2, 5],
    [3, 1],
    [1, 1, 1],
    [2, 3, 4, 5, 6],
    [10, 1, 10],
    [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6],
  ]) {
    const shardCount = 64;
    const all = speeds.reduce((sum, speed) => sum + speed, 0);
    const workers = workersOf(...speeds);
    const plan = counts(planSpans({ shardCount, workers, nodeSeconds: 0 }));
    const over = plan.map((count, i) => count - (shardCount * speeds[i]) / all);
    t.ok(Math.max(...over) <= 1 && Math.min(...over) >= -2, `${speeds}: ${plan}`);
  }
  t.end();
});

t.test('threads stand for speeds that are not known, as fast as the median thread that is', (t) => {
  const [eight, two] = [
    { workerId: 'eight', shardsPerSecond: null, threads: 8 },
    { workerId: 'two', shardsPerSecond: null, threads: 2 },
  ];
  const nodeSeconds = 0.0005;
  t.same(counts(planSpans({ shardCount: 40, workers: [eight, two], nodeSeconds: 0 })), [32, 8]);
  const [more, fewer] = counts(planSpans({ shardCount: 8, workers: [eight, two], nodeSeconds }));
  t.ok(more > fewer && fewer > 0, `${more} and ${fewer} shards`);
  // 10, 20 and 1000 shards per second and thread: the new one is taken for 20 · 2.
  const workers = [
    { workerId: 'a', shardsPerSecond: 40, threads: 4 },
    { workerId: 'b', shardsPerSecond: 20, threads: 1 },
    { workerId: 'c', shardsPerSecond: 1000, threads: 1 },
    two,
  ];
  t.same(counts(planSpans({ shardCount: 1100, workers, nodeSeconds: 0 })), [40, 20, 1000, 40]);
  t.end();
});

t.test('where there are more workers than shards, the fastest get them', (t) => {
  const workers = workersOf(1, 1.5, 1.2, 2, 1.4);
  t.same(counts(planSpans({ shardCount: 3, workers, nodeSeconds: 0 })), [0, 1, 0, 1, 1]);
  t.same(counts(planSpans({ shardCount: 1, workers, nodeSeconds: 1 })), [0, 0, 0, 1, 0]);
  const equal = workersOf(...Array.from({ length: 20 }, () => 1));
  t.same(
    counts(planSpans({ shardCount: 4, workers: equal, nodeSeconds: 0.001 }))
      .toSorted()
      .slice(-5),
    [0, 1, 1, 1, 1],
  );
  t.end();
});

t.test('a worker that would hold up all others with a single shard gets none', (t) => {
  t.same(counts(planSpans({ shardCount: 8, workers: workersOf(100, 1, 100), nodeSeconds: 0 })), [4, 0, 4]);
  t.same(
    counts(planSpans({ shardCount: 2000, workers: workersOf(100, 1, 100), nodeSeconds: 0 }))[1] > 0,
    true,
  );
  t.end();
});

t.test('nobody idles who could help while another holds several shards', (t) => {
  let helped = 0;
  const known = requests.filter(({ workers }) =>
    workers.every(({ shardsPerSecond }) => shardsPerSecond !== null),
  );
  fc.assert(
    fc.property(known, ({ shardCount, workers }) => {
      const plan = planSpans({ shardCount, workers, nodeSeconds: 0 });
      const seconds = secondsOf(plan, workers, shardCount, 0);
      if (counts(plan).every((count) => count <= 1)) return;
      for (const [i, count] of counts(plan).entries()) {
        if (count > 0) helped++;
        else if (1 / (workers[i].shardsPerSecond ?? 0) <= seconds) throw new Error(`${idOf(i)} idles`);
      }
    }),
    { seed, numRuns: 500 },
  );
  t.ok(helped > 500);
  // With partials that cost something, too: a third worker takes the pressure from nobody, but it is there.
  t.same(
    counts(planSpans({ shardCount: 8, workers: workersOf(1000, 1000, 1000), nodeSeconds: 0.01 })).includes(0),
    false,
  );
  t.end();
});

t.test('another worker, or a faster one, makes no step slower than it is allowed to for having work', (t) => {
  const cases = fc.record({
    shardCount: fc.integer({ min: 1, max: 64 }),
    speeds: fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 6 }),
    at: fc.nat(5),
    speed: fc.double({ min: 0.01, max: 10, noNaN: true }),
    nodeSeconds: fc.constantFrom(0, 0.1, 2),
  });
  fc.assert(
    fc.property(cases, ({ shardCount, speeds, at, speed, nodeSeconds }) => {
      const seconds = (all: number[]): number => {
        const workers = workersOf(...all);
        return secondsOf(planSpans({ shardCount, workers, nodeSeconds }), workers, shardCount, nodeSeconds);
      };
      const before = seconds(speeds) * (1 + mostDelay) * (1 + 1e-12);
      if (seconds(speeds.toSpliced(at, 0, speed)) > before) throw new Error('another worker');
      const i = at % speeds.length;
      if (seconds(speeds.with(i, speeds[i] + speed)) > before) throw new Error('a faster worker');
    }),
    { seed, numRuns: 300 },
  );
  t.pass('300 cases');
  t.end();
});

t.test('a plan stays until a change gains enough, or gives work to one who idled', (t) => {
  const [shardCount, nodeSeconds] = [100, 0];
  const previous = planSpans({ shardCount, workers: workersOf(50, 50), nodeSeconds });
  t.same(counts(previous), [50, 50]);
  const next = (...speeds: number[]) =>
    counts(planSpans({ shardCount, workers: workersOf(...speeds), nodeSeconds, previous }));
  t.same(next(50, 60), [50, 50], '46 : 54 would take 0.92 s instead of 1');
  t.same(next(60, 50), [50, 50]);
  t.same(next(50, 64), [44, 56], '0.88 s instead of 1');
  t.same(next(25, 50), [33, 67]);
  const idle = planSpans({ shardCount: 8, workers: workersOf(100, 1), nodeSeconds });
  t.same(counts(idle), [8, 0]);
  const later = { shardCount: 8, workers: workersOf(100, 14), nodeSeconds, previous: idle };
  t.same(counts(planSpans(later)), [7, 1], 'for a gain of 0.09');
  let changed = 0;
  fc.assert(
    fc.property(
      requests,
      fc.array(fc.double({ min: 0.5, max: 2, noNaN: true }), { minLength: 12 }),
      (request, factors) => {
        const known = request.workers.map((worker) => ({
          ...worker,
          shardsPerSecond: worker.shardsPerSecond ?? 1,
        }));
        const before = planSpans({ ...request, workers: known });
        const workers = known.map((worker, i) => ({
          ...worker,
          shardsPerSecond: worker.shardsPerSecond * factors[i],
        }));
        const { shardCount, nodeSeconds } = request;
        const seconds = (plan: readonly Assignment[]) => secondsOf(plan, workers, shardCount, nodeSeconds);
        const best = planSpans({ ...request, workers });
        const after = planSpans({ ...request, workers, previous: before });
        const gain = 1 - seconds(best) / seconds(before);
        const wakes = best.some(({ lo, hi }, i) => lo < hi && before[i].lo === before[i].hi);
        if (wakes || gain > leastGain + 1e-9) {
          changed++;
          if (Math.abs(seconds(after) / seconds(best) - 1) > 1e-12) throw new Error('not as fast as can be');
        } else if (gain < leastGain - 1e-9 && JSON.stringify(after) !== JSON.stringify(before)) {
          throw new Error(`changed for a gain of ${gain}`);
        }
      },
    ),
    { seed, numRuns: 300 },
  );
  t.ok(changed > 30 && changed < 270, `changed in ${changed} of 300 cases`);
  t.end();
});

t.test('a plan for other workers or another number of shards is not kept, but the next is like it', (t) => {
  const workers = workersOf(10, 10, 10);
  const request = { shardCount: 16, workers, nodeSeconds: 0.3 };
  const previous = planSpans(request);
  for (const [name, one] of Object.entries({
    'one joined': { ...request, workers: workersOf(10, 10, 10, 10), previous },
    'one left': { ...request, workers: workers.slice(1), previous },
    'another order': { ...request, workers: workers.toReversed(), previous },
    'fewer shards': { ...request, shardCount: 7, previous },
    'more shards': { ...request, shardCount: 30, previous },
    'nothing before': { ...request, previous: [] },
  })) {
    t.equal(flaw(planSpans(one), one.workers, one.shardCount), null, name);
  }
  // Two of three shards each would be as fast in several ways; each worker keeps what it has.
  const tie = { shardCount: 5, workers: workersOf(1, 1, 1), nodeSeconds: 0 };
  const options = [
    [2, 2, 1],
    [2, 1, 2],
    [1, 2, 2],
  ];
  const places = options.map((sizes) => {
    const like = sizes.map((_, i) => ({
      workerId: idOf(i),
      lo: sizes.slice(0, i).reduce((sum, size) => sum + size, 0),
      hi: sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0),
    }));
    // A fourth worker left, so the plan is made anew.
    const before = [...like, { workerId: 'gone', lo: 5, hi: 5 }];
    return counts(planSpans({ ...tie, previous: before }));
  });
  const nodes = (sizes: number[]) => {
    const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0));
    return ends.reduce((sum, end, i) => sum + coveringNodes(ends[i - 1] ?? 0, end, 5).length, 0);
  };
  const fewest = Math.min(...options.map(nodes));
  for (const [i, option] of options.entries()) {
    if (nodes(option) === fewest) t.same(places[i], option, `${option} is kept`);
    else t.equal(nodes(places[i]), fewest, `${option} has more nodes than it takes`);
  }
  t.end();
});

t.test('speeds that cannot be are refused by name, and nobody gets nothing', (t) => {
  for (const speed of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const request = { shardCount: 4, workers: workersOf(1, speed), nodeSeconds: 0 };
    t.throws(
      () => planSpans(request),
      new RangeError(`worker w1: got ${speed} shards per second, expected a number above 0`),
    );
  }
  t.same(planSpans({ shardCount: 4, workers: [], nodeSeconds: 0 }), []);
  t.end();
});
