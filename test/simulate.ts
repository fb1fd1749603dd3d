/**
 * Runs simulated schedules: `npm run simulate -- --schedules 20000`, or one of them again with every event:
 * `npm run simulate -- --seed 17 --trace`.
 */
import { parseArgs } from 'node:util';
import { prepareCases } from './helpers/simulation/recipes.ts';
import { simulate } from './helpers/simulation/simulation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    schedules: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
const cases = await prepareCases();
const first = Number(values.seed);
const end = first + Number(values.schedules);
let failed = 0;
const counts = new Map<string, number>();
const planned = new Map<string, number>();
const totals = {
  deaths: 0,
  joins: 0,
  framesDropped: 0,
  shardsRecomputed: 0,
  timelines: 0,
  simulatedSeconds: 0,
};
const start = process.cpuUsage();
for (let seed = first; seed < end; seed++) {
  const report = await simulate(seed, cases, { keepTrace: values.trace });
  for (const line of report.lines ?? []) console.log(line);
  for (const kind of report.happened) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const kind of report.planned) planned.set(kind, (planned.get(kind) ?? 0) + 1);
  totals.deaths += report.deaths;
  totals.joins += report.joins;
  totals.framesDropped += report.framesDropped;
  totals.shardsRecomputed += report.shardsRecomputed;
  totals.timelines += report.timelines;
  totals.simulatedSeconds += report.simulatedMs / 1000;
  if (report.failures.length > 0) {
    failed += 1;
    console.log(`seed ${seed} (${report.recipe}): ${report.failures.join('; ').slice(0, 600)}`);
    if (values.schedules !== '1') console.log(`  npm run simulate -- --seed ${seed} --trace`);
  } else if (values.schedules === '1') console.log(`seed ${seed}: good, trace ${report.traceHash}`);
}
const { user, system } = process.cpuUsage(start);
console.log(`${end - first} schedules, ${failed} failed, ${((user + system) / 1e6).toFixed(1)} s of CPU`);
console.log(JSON.stringify(totals));
for (const [kind, count] of [...planned].toSorted()) {
  console.log(`  ${kind}: ${counts.get(kind) ?? 0} of ${count}`);
}
process.exitCode = failed > 0 ? 1 : 0;
