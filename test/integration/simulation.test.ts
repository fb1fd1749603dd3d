/**
 * Whole runs of the real coordinator and workers on a simulated clock and network: whatever happens to the workers, the
 * bits are those of one thread. Any of these runs again: `npm run simulate -- --seed N --trace`.
 */
import t from 'tap';
import { plantedBugs } from '../helpers/simulation/planted.ts';
import { prepareCases } from '../helpers/simulation/recipes.ts';
import { faultKinds } from '../helpers/simulation/schedule.ts';
import { type Report, simulate } from '../helpers/simulation/simulation.ts';

t.setTimeout(400_000);
const schedules = 500;
const cases = await prepareCases();

/** Seeds of runs that failed, with why and how to see it again. */
function complaints(reports: readonly Report[]): string[] {
  return reports
    .filter(({ failures }) => failures.length > 0)
    .map(
      ({ seed, failures }) =>
        `seed ${seed}: ${failures.join('; ')} (npm run simulate -- --seed ${seed} --trace)`,
    );
}

t.test(`seeds 1 to ${schedules}: every run ends in time with the bits of one thread`, async (t) => {
  const reports: Report[] = [];
  for (let seed = 1; seed <= schedules; seed++) reports.push(await simulate(seed, cases));
  t.same(complaints(reports), []);
  const sum = (count: (report: Report) => number) => reports.reduce((all, one) => all + count(one), 0);
  const planned = sum((one) => one.planned.length);
  const happened = sum((one) => one.happened.length);
  t.comment(`${planned} faults planned, ${happened} happened with the kills of storms`);
  for (const kind of faultKinds) {
    const times = sum((one) => one.happened.filter((other) => other === kind).length);
    t.ok(times >= 10, `${kind} happened ${times} times`);
  }
  const kinds = {
    deaths: sum((one) => one.deaths),
    joins: sum((one) => one.joins),
    'frames dropped': sum((one) => one.framesDropped),
    'shards recomputed': sum((one) => one.shardsRecomputed),
    timelines: sum((one) => one.timelines),
  };
  for (const [name, count] of Object.entries(kinds)) t.ok(count > 500, `${count} ${name}`);
});

t.test('a worker killed every 200 ms changes no bit', async (t) => {
  let kills = 0;
  const reports: Report[] = [];
  for (let seed = 1; seed <= 40; seed++) {
    const report = await simulate(seed, cases, { isStorm: true });
    kills += report.happened.filter((kind) => kind === 'kill').length;
    reports.push(report);
  }
  t.same(complaints(reports), []);
  t.ok(kills > 200, `${kills} workers were killed`);
});

t.test('a seed replays exactly', async (t) => {
  for (const seed of [3, 44, 416]) {
    const first = await simulate(seed, cases, { keepTrace: true });
    await simulate(seed + 1, cases);
    const second = await simulate(seed, cases, { keepTrace: true });
    t.same(first.lines, second.lines, `seed ${seed}`);
    t.equal(first.traceHash, second.traceHash);
    t.ok((first.lines?.length ?? 0) > 50, 'and something happens in it');
  }
  const [one, other] = [await simulate(1, cases), await simulate(2, cases)];
  t.not(one.traceHash, other.traceHash, 'another seed is another run');
});

for (const { name, foundBy, from = 1, seeds, plant } of plantedBugs) {
  t.test(`planted: ${name}`, async (t) => {
    const takeOut = plant();
    t.teardown(takeOut);
    for (let seed = from; seed <= seeds; seed++) {
      const { failures } = await simulate(seed, cases);
      const failure = failures.find((one) => foundBy.test(one));
      if (failure === undefined) continue;
      t.pass(`found by seed ${seed}: ${failure.split('\n')[0].slice(0, 200)}`);
      return;
    }
    t.fail(`not found by seeds ${from} to ${seeds}`);
  });
}
