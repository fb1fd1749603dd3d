/** The run in numbers: they are true, promtool takes them, and nobody's names can make them many. */
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { Dashboard } from '../../coordinator/dashboard/dashboard.ts';
import { type Measured, Metrics, mostLabels, otherWorkers } from '../../coordinator/metrics.ts';
import { StepTimes } from '../../coordinator/step-times.ts';
import { anEpoch, aStep, aWorker, PlayedRun, playedRun } from '../helpers/dashboard.ts';
import { hostileNames } from '../helpers/hostile-names.ts';

const run = await playedRun();

function measured(live: PlayedRun | null, changes: Partial<Measured> = {}): Measured {
  return {
    live,
    lastStep: null,
    samples: 0,
    stepTimes: new StepTimes(),
    lastEpoch: null,
    perSecond: 0,
    ...changes,
  };
}

/** Has promtool look at a page of metrics; it is one of Debian's package `prometheus`. */
function judge(t: Test, text: string): void {
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text });
  if (error !== undefined) {
    t.comment('promtool is not here: nobody but ourselves has looked at the metrics');
    return;
  }
  t.equal(status, 0, `promtool: ${stdout}${stderr}`);
  t.equal(String(stdout) + String(stderr), '', 'and it has nothing to say');
}

/** The samples of a text by name and labels, read with rules of our own. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-z_0-9]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})?) (\S+)$/.exec(line);
    if (match === null) throw new Error(`no sample: ${JSON.stringify(line)}`);
    if (samples.has(match[1])) throw new Error(`twice: ${match[1]}`);
    samples.set(match[1], Number(match[2]));
  }
  return samples;
}

t.test('every number is the run’s', async (t) => {
  const live = new PlayedRun(run);
  live.steps = 43; // of which the last is not reported yet
  live.place = { epoch: 7, step: 0, first: 0, seconds: 0, loss: 0.5 };
  live.workersNow = [
    { ...aWorker, delayMs: 12 },
    { ...aWorker, id: '2', name: 'otto', state: 'late', delayMs: null },
    { ...aWorker, id: '3', name: 'ida', state: 'gone', delayMs: null },
  ];
  const travelled = { bytesUpPerStep: 0, bytesDownPerStep: 0, steps: 1, gradients: 1, gradientBytes: 1 };
  live.accountNow = {
    work: [
      { name: 'mara', threads: 2, shards: 100, seconds: 1.5, bytesUp: 1000, bytesDown: 2000, ...travelled },
      { name: 'this process', threads: 1, shards: 7, seconds: 0.5 },
    ],
    deaths: 1,
    joins: 4,
    shardsRecomputed: 3,
  };
  const stepTimes = new StepTimes();
  for (const seconds of [0.0001, 0.003, 0.003, 1000]) stepTimes.add(seconds);
  const from = measured(live, {
    lastStep: aStep(42, 0.125),
    samples: 4200,
    stepTimes,
    lastEpoch: anEpoch(4),
    perSecond: 1234,
  });
  const metrics = new Metrics(from);
  t.equal(metrics.type, 'text/plain; version=0.0.4; charset=utf-8');
  const text = await metrics.text();
  const samples = samplesOf(text);
  for (const [name, value] of [
    ['steps_total', 42],
    ['samples_total', 4200],
    ['epoch', 7],
    ['loss', 0.125],
    ['test_loss', 0.5],
    ['test_accuracy_ratio', 0.8],
    ['samples_per_second', 1234],
    ['worker_deaths_total', 1],
    ['worker_joins_total', 4],
    ['shards_recomputed_total', 3],
    ['activity{activity="training"}', 1],
    ['activity{activity="waiting"}', 0],
    ['workers{state="working"}', 1],
    ['workers{state="late"}', 1],
    ['workers{state="gone"}', 1],
    ['workers{state="joining"}', 0],
    ['worker_delay_seconds{worker="mara"}', 0.012],
    ['worker_shards_total{worker="mara"}', 100],
    ['worker_shards_total{worker="this process"}', 7],
    ['worker_busy_seconds_total{worker="mara"}', 1.5],
    ['worker_sent_bytes_total{worker="mara"}', 1000],
    ['worker_received_bytes_total{worker="mara"}', 2000],
    ['worker_sent_bytes_total{worker="this process"}', undefined],
    ['worker_delay_seconds{worker="otto"}', undefined],
    ['step_seconds_bucket{le="0.0001"}', 1],
    ['step_seconds_bucket{le="0.0016"}', 1],
    ['step_seconds_bucket{le="0.0032"}', 3],
    ['step_seconds_bucket{le="13.1072"}', 3],
    ['step_seconds_bucket{le="+Inf"}', 4],
    ['step_seconds_count', 4],
    ['step_seconds_sum', 1000.0061],
  ] as const) {
    t.equal(samples.get(`lockstep_${name}`), value, name);
  }
  t.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6, 'and those of the process');
  judge(t, text);
});

t.test('all of a scrape are numbers up to the same step, also of a run that goes on', async (t) => {
  const live = new PlayedRun({ ...run, committed: 14 });
  live.steps = 14;
  const dashboard = new Dashboard();
  dashboard.start(live.run, live, 'played');
  const metrics = new Metrics(dashboard);
  for (const [steps, here] of [
    [14, 0],
    [17, 3],
  ]) {
    if (here > 0) dashboard.steps([15, 16, 17].map((step) => aStep(step)));
    live.steps += 5; // training is ahead of what it reports
    const samples = samplesOf(await metrics.text());
    t.equal(samples.get('lockstep_steps_total'), steps);
    t.equal(samples.get('lockstep_step_seconds_count'), here);
    t.equal(samples.get('lockstep_samples_total'), 16 * here);
    t.equal(samples.get('lockstep_loss'), here === 0 ? undefined : 1 / 17);
  }
});

t.test('who has a label keeps it, so what others have never becomes less', async (t) => {
  const live = new PlayedRun(run);
  const work = Array.from({ length: 80 }, (_, i) => ({ name: `w${i}`, threads: 1, shards: 10, seconds: 1 }));
  live.accountNow = { ...live.accountNow, work };
  const metrics = new Metrics(measured(live));
  const shards = async (name: string) =>
    samplesOf(await metrics.text()).get(`lockstep_worker_shards_total{worker="${name}"}`);
  t.equal(await shards(otherWorkers), 160);
  // The first forty are put together with earlier ones, as the accounts do it.
  const earlier = { name: 'earlier workers', threads: 1, shards: 400, seconds: 40 };
  live.accountNow = { ...live.accountNow, work: [earlier, ...work.slice(40)] };
  t.equal(await shards(otherWorkers), 560);
  t.equal(await shards('w40'), 10);
  t.equal(await shards('w64'), undefined);
});

t.test('of workers whose names are sent alike, the longest delay is shown', async (t) => {
  const live = new PlayedRun(run);
  live.workersNow = ['\ud800', '\ud801', '\ud802'].map((name, i) => ({
    ...{ ...aWorker, id: String(i), name },
    delayMs: [10, 30, 20][i],
  }));
  const samples = samplesOf(await new Metrics(measured(live)).text());
  t.equal(samples.get('lockstep_worker_delay_seconds{worker="\ufffd"}'), 0.03);
});

t.test('before there is a run there is nothing to tell, in good form', async (t) => {
  const text = await new Metrics(measured(null)).text();
  const samples = samplesOf(text);
  t.equal(samples.get('lockstep_steps_total'), 0);
  for (const name of ['loss', 'test_loss', 'test_accuracy_ratio', 'epoch'])
    t.notOk(samples.has(`lockstep_${name}`), `no ${name}`);
  judge(t, text);
});

t.test('a hundred hostile names are labels that promtool reads, and no more than 65 of them', async (t) => {
  const names = hostileNames();
  t.equal(names.length, 100);
  const live = new PlayedRun(run);
  live.workersNow = names.map((name, i) => ({ ...aWorker, id: String(i), name, delayMs: i }));
  live.accountNow = {
    ...live.accountNow,
    work: names.map((name) => ({ name, threads: 1, shards: 1, seconds: 1 })),
  };
  const text = await new Metrics(measured(live)).text();
  const samples = [...samplesOf(text)];
  const shards = samples.filter(([name]) => name.startsWith('lockstep_worker_shards_total'));
  t.ok(shards.length <= mostLabels + 1, `${shards.length} labels`);
  const sum = shards.reduce((sum, [, value]) => sum + value, 0);
  t.equal(sum, 100, 'nobody is lost');
  t.ok(shards.some(([name, value]) => name.includes(`"${otherWorkers}"`) && value > 30));
  t.notOk(
    samples.some(([, value]) => value === 99),
    'nor does anybody put in numbers',
  );
  t.equal(Object.keys(Object.prototype).length, 0);
  judge(t, text);
});

t.test('a program may have several', async (t) => {
  const [a, b] = [new Metrics(measured(null)), new Metrics(measured(null, { samples: 5 }))];
  t.equal(samplesOf(await a.text()).get('lockstep_samples_total'), 0);
  t.equal(samplesOf(await b.text()).get('lockstep_samples_total'), 5);
});
