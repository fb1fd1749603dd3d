/** Workers behind a network that delays, slices, stalls and cuts: the bits are those of one thread. */
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { StepReport } from '../../coordinator/reports.ts';
import { knownAnswerOf, loadKernels } from '../../shared/kernels/load.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { leastChunkBytes } from '../../shared/wire/limits.ts';
import { connect } from '../../worker/connect.ts';
import { type WorkerEvent, work } from '../../worker/worker.ts';
import { ChaosProxy, type Passage, type ProxyOptions } from '../helpers/chaos-proxy.ts';
import { EventLog, machineMs } from '../helpers/event-log.ts';
import { bitsAfter, OpenEndedRun, openEndedRecipe, openEndedSource } from '../helpers/open-ended.ts';
import { type RemoteOptions, RemoteRun } from '../helpers/remote-run.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';

t.setTimeout(120_000);
/** More seeds with LOCKSTEP_TEST_LONG=1. */
const seeds = process.env.LOCKSTEP_TEST_LONG === '1' ? [1, 2, 3, 4, 5, 6, 7, 8] : [1, 2];
t.jobs = 3; // they wait most of the time

const source = syntheticDataset(7, 240, 150);
const recipe = (fields: RecipeFields = {}): RecipeFields => ({
  model: 'dense(32) batchnorm relu dense(10)',
  batchSize: 48,
  shardSize: 6,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 6,
  ...fields,
});

/** A worker of this process that comes by itself, through a proxy, and comes back. */
function startHere(t: Test, name: string, way: { url: string; token: string }, cache: string | null = null) {
  const kernels = loadKernels('wasm');
  const log = new EventLog<WorkerEvent>();
  const leaving = new AbortController();
  const ended = work({
    name,
    threads: 1,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache },
    connectTimeoutMs: 20_000,
    rejoinTimeoutMs: 20_000,
    signal: leaving.signal,
    connect: (events) => connect({ ...way, fingerprint: null, timeoutMs: 5_000, events }),
    onEvent: (event) => log.add(event),
  });
  t.teardown(async () => {
    leaving.abort();
    await ended.catch(() => {});
  });
  // Whoever waits for it hears of an error, too.
  ended.catch(() => {});
  return { log, ended };
}

/** One worker comes plainly, and one through a proxy. */
async function open(
  t: Test,
  chaos: Omit<ProxyOptions, 'port'>,
  { cache = null, ...options }: Partial<RemoteOptions> & { cache?: string | null } = {},
) {
  const fields = options.fields ?? recipe();
  const data = options.source ?? source;
  const run = await RemoteRun.open({ workers: 2, ...options, fields, source: data });
  const proxy = await ChaosProxy.open({ port: run.port, ...chaos });
  t.teardown(async () => {
    await run.close();
    await proxy.close();
  });
  const plain = startHere(t, 'plain', run.way, cache);
  const behind = startHere(t, 'behind', { ...run.way, url: proxy.url }, cache);
  const alone = bitsOf(await train(fields, { source: data }));
  const shards = (work: readonly { readonly shards: number }[]) =>
    work.reduce((sum, one) => sum + one.shards, 0);
  return { run, proxy, plain, behind, alone, shards };
}

/** Holds a run between two steps until both workers take part. */
async function allThere({ fleet }: RemoteRun): Promise<void> {
  while (fleet.workers < 2) await setTimeout(5);
}

t.test(
  'a connection whose messages come byte by byte and frames in crumbs is only slow',
  { buffered: true },
  async (t) => {
    // The data is there from an earlier run.
    const fields = recipe({ model: 'dense(2) batchnorm dense(10)', epochs: 1 });
    const cache = t.testdir();
    const first = await RemoteRun.open({ fields, source, workers: 1 });
    const worker = startHere(t, 'first', first.way, cache);
    await first.train();
    await worker.ended;
    const { run, proxy, plain, behind, alone } = await open(
      t,
      { seed: 1, treat: ({ kind }) => ({ pieceBytes: kind === 'control' ? 1 : 2 * leastChunkBytes }) },
      { fields, cache },
    );
    const trained = await run.train();
    t.same(bitsOf(trained), alone);
    t.ok(proxy.counts.pieces > 3_000, `${proxy.counts.pieces} pieces`);
    t.match(trained, { deaths: 0, shardsRecomputed: 0 });
    t.ok(trained.work.find(({ name }) => name === 'behind')?.shards, 'it computed');
    t.same(await Promise.all([plain.ended, behind.ended]), ['the run is done', 'the run is done']);
  },
);

t.test('delayed, sliced and slow connections only take their time', { buffered: true }, async (t) => {
  for (const seed of seeds) {
    const { run, proxy, alone, behind } = await open(t, {
      seed,
      treat: ({ kind }, random) => ({
        delayMs: 1 + 3 * random(),
        pieceBytes: kind === 'control' ? 40 : 60_000,
        bytesPerSecond: 4_000_000,
      }),
    });
    const trained = await run.train();
    t.same(bitsOf(trained), alone, `seed ${seed}`);
    t.ok(proxy.counts.pieces > 200, `${proxy.counts.pieces} pieces`);
    t.match(trained, { deaths: 0, joins: 2 });
    t.equal(behind.log.count('welcomed'), 1);
  }
});

t.test(
  'a worker whose connections are reset anywhere comes back each time',
  { buffered: true },
  async (t) => {
    for (const seed of seeds) {
      const cuts = 12;
      const { run, proxy, alone, plain, behind, shards } = await open(t, {
        seed,
        // Anywhere from the first bytes of the upgrade to the middle of some partial or total.
        treat: ({ index, to }, random) =>
          index < cuts && (to === 'worker') === (index % 2 === 0)
            ? { resetAfterBytes: 1 + Math.floor(400_000 * random() ** 4) }
            : {},
      });
      const trained = await run.train({ onStep: () => allThere(run) });
      t.same(bitsOf(trained), alone, `seed ${seed}`);
      const { resets } = proxy.counts;
      t.ok(resets >= 6, `seed ${seed}: ${resets} resets, ${trained.deaths} deaths, ${trained.joins} joins`);
      t.ok(trained.deaths > 0 && trained.deaths <= resets);
      t.ok(trained.joins >= 1 + trained.deaths);
      t.equal(plain.log.count('welcomed'), 1, 'the other one noticed nothing');
      t.ok(behind.log.count('lost') > 0);
      t.equal(shards(trained.work), trained.steps * 8);
    }
  },
);

t.test(
  'both ends notice a half-open connection, and the worker comes back by itself',
  { buffered: true },
  async (t) => {
    const fields = openEndedRecipe();
    const source = openEndedSource();
    const run = await OpenEndedRun.open({ fields, source, workers: 2, stepTimeoutMs: 400 });
    const proxy = await ChaosProxy.open({ port: run.remote.port, seed: 1 });
    t.teardown(async () => {
      await run.remote.close();
      await proxy.close();
    });
    const { log, fleet, way } = run.remote;
    startHere(t, 'plain', way);
    const behind = startHere(t, 'behind', { ...way, url: proxy.url });
    while (fleet.committed < 10) await setTimeout(5);
    const from = log.all.length;
    const stalledMs = machineMs();
    for (const passage of proxy.passages) passage.stall();
    const late = await log.waitFor('the deadline', ({ kind }) => kind === 'late', { from });
    const lost = await behind.log.waitFor('the worker to notice', ({ kind }) => kind === 'lost');
    t.match(lost, { reason: /the coordinator has been silent for/ });
    const gone = await log.waitFor('its end', ({ kind }) => kind === 'died' || kind === 'replaced', { from });
    await log.waitFor('its return', ({ kind }) => kind === 'joined', { from });
    const after = (atMs: number) => `${((atMs - stalledMs) / 1000).toFixed(1)} s`;
    t.comment(
      `late after ${after(late.atMs)}, ${gone.kind} after ${after(gone.atMs)}, noticed by the worker after ${after(lost.atMs)}`,
    );
    t.ok(proxy.counts.bytesSwallowed > 0, `${proxy.counts.bytesSwallowed} bytes swallowed`);
    const { committed } = fleet;
    while (fleet.committed < committed + 10) await setTimeout(5);
    const trained = await run.stop();
    t.same(bitsOf(trained), await bitsAfter(fields, source, trained.steps));
    t.ok(trained.shardsRecomputed > 0);
    t.equal(trained.joins, 3);
  },
);

t.test('a connection that arrives twice does no harm', { buffered: true }, async (t) => {
  const { run, proxy, alone, behind, shards } = await open(t, { seed: 1, duplicates: 3 });
  const trained = await run.train({ onStep: () => allThere(run) });
  t.same(bitsOf(trained), alone);
  t.equal(proxy.counts.duplicates, 3);
  t.ok(run.log.count('replaced') >= 3, `${run.log.count('replaced')} connections replaced`);
  t.ok(behind.log.count('lost') > 0);
  t.equal(shards(trained.work), trained.steps * 8);
});

t.test('what comes over a connection that was replaced is not applied', { buffered: true }, async (t) => {
  for (const round of [1, 2, 3]) {
    const { run, proxy, alone, behind, shards } = await open(t, { seed: round });
    let old: readonly Passage[] = [];
    const onStep = async ({ step }: StepReport) => {
      await allThere(run);
      if (step !== 2 * round) return;
      old = proxy.passages;
      t.equal(old.length, 2);
      for (const passage of old) passage.hold();
    };
    const training = run.train({ onStep });
    // It computes its part of the step, which is held; then it loses its connection, and the coordinator does not.
    await run.log.waitFor('both', () => run.fleet.workers === 2);
    const isHeld = ({ kind, bytesHeld }: Passage) => kind === 'bulk' && bytesHeld > 0;
    while (!old.some(isHeld)) await setTimeout(5);
    const from = run.log.all.length;
    for (const passage of old) passage.resetWorker();
    const replaced = await run.log.waitFor('the new connection', ({ kind }) => kind === 'replaced', { from });
    for (const passage of old) passage.release();
    t.match(replaced, { name: 'behind' });
    const trained = await training;
    t.same(bitsOf(trained), alone);
    t.ok(trained.shardsRecomputed > 0, 'its part of the step was computed again');
    t.equal(trained.joins, 3);
    t.equal(behind.log.count('welcomed'), 2);
    t.equal(shards(trained.work), trained.steps * 8);
  }
});
