/** Workers at addresses of their own, and what happens to networks: cables pulled, packets lost, slow links. */
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { CoordinatorEvent, CoordinatorSettings } from '../helpers/coordinator-process.ts';
import { hasNetworks, Network } from '../helpers/network.ts';
import { bitsAfter, openEndedRecipe, openEndedSource } from '../helpers/open-ended.ts';
import { startWorker, TestProcess } from '../helpers/processes.ts';

t.setTimeout(120_000);
t.jobs = 2; // they wait most of the time

/** A coordinator in one namespace and workers in others. */
async function start(t: Test, name: string, names: readonly string[], stepTimeoutMs: number) {
  const network = new Network(t, name, names.length);
  const { address: host } = network.coordinator;
  const settings: CoordinatorSettings = { host, identity: t.testdir(), workers: names.length, stepTimeoutMs };
  const coordinator = new TestProcess<CoordinatorEvent>(
    t,
    'coordinator-process',
    settings,
    network.coordinator,
  );
  const { log } = coordinator;
  const open = await log.waitFor('the door', ({ kind }) => kind === 'open');
  if (open.kind !== 'open') throw new Error('not open');
  t.match(open.way, { url: /^wss:\/\/198\.18\.0\.1:\d+$/, fingerprint: /^sha256:/ });
  const workers = new Map(
    names.map((name, i) => {
      const cable = network.workers[i];
      const process = startWorker(t, { ...open.way, name, openTimeoutMs: 2_000 }, cable);
      return [name, { cable, process }];
    }),
  );
  const workerOf = (name: string) => {
    const worker = workers.get(name);
    if (worker === undefined) throw new Error(`no worker ${name}`);
    return worker;
  };
  /** Waits for something that happens to a worker, from the `from`-th event on. */
  const until = (kind: string, name: string, from = 0) =>
    log.waitFor(
      `${name}: ${kind}`,
      (event) => event.kind === kind && 'name' in event && event.name === name,
      {
        from,
      },
    );
  /** Waits until a worker has computed more than it has now. */
  const works = async (name: string) => {
    const shardsOf = (event: CoordinatorEvent | undefined) =>
      event?.kind === 'steps' ? (event.shards[name] ?? 0) : 0;
    const now = shardsOf(log.all.findLast(({ kind }) => kind === 'steps'));
    await log.waitFor(`${name} to work`, (event) => shardsOf(event) > now + 20, { from: log.all.length });
  };
  const finish = async () => {
    coordinator.signal('SIGTERM');
    const done = await log.waitFor('the end', ({ kind }) => kind === 'done');
    if (done.kind !== 'done') throw new Error('not done');
    const alone = await bitsAfter(openEndedRecipe(), openEndedSource(), done.bits.steps);
    t.same(
      done.bits,
      JSON.parse(JSON.stringify(alone)),
      `the bits of one thread after ${done.bits.steps} steps`,
    );
    t.same(await coordinator.exited, { code: 0, signal: null }, coordinator.stderr);
    for (const { process } of workers.values()) t.same(await process.exited, { code: 0, signal: null });
    return done;
  };
  for (const name of names) await until('joined', name);
  await works(names[0]);
  return { log, workerOf, until, works, finish };
}

t.test('links that are down or let packets through one way only', { buffered: true }, async (t) => {
  if (!hasNetworks(t)) return;
  const names = ['steady', 'unplugged', 'mute', 'deaf'];
  const { log, workerOf, until, works, finish } = await start(t, 'down', names, 4_000);
  const [unplugged, mute, deaf] = names.slice(1).map(workerOf);

  // A second without a link is less than what anybody is accused for.
  unplugged.cable.plug(false);
  await setTimeout(1_000);
  unplugged.cable.plug(true);
  await works('unplugged');
  t.equal(log.count('late') + log.count('died'), 0, 'a link that is down for a second costs only time');
  t.equal(unplugged.process.log.count('welcomed'), 1);

  const from = log.all.length;
  const startMs = log.all.at(-1)?.atMs ?? 0;
  unplugged.cable.plug(false);
  mute.cable.filter('output', 'counter drop');
  deaf.cable.filter('input', 'counter drop');
  for (const name of names.slice(1)) {
    const gone = await until('died', name, from);
    t.comment(`${name}: given up after ${((gone.atMs - startMs) / 1000).toFixed(1)} s`);
  }
  for (const [name, { process }] of Object.entries({ unplugged, mute, deaf })) {
    const lost = await process.log.waitFor(`${name} to notice`, ({ kind }) => kind === 'lost');
    t.comment(
      `${name}: noticed it after ${((lost.atMs - startMs) / 1000).toFixed(1)} s: ${JSON.stringify(lost)}`,
    );
  }
  await setTimeout(Math.max(0, 10_000 - (performance.timeOrigin + performance.now() - startMs)));
  t.ok(mute.cable.dropped('output') > 0 && deaf.cable.dropped('input') > 0, 'packets were dropped');
  unplugged.cable.plug(true);
  mute.cable.unfilter();
  deaf.cable.unfilter();
  for (const name of names.slice(1)) {
    t.match(await until('joined', name, from), { isBack: true }, `${name} comes back by itself`);
    await works(name);
  }
  t.equal(workerOf('steady').process.log.count('welcomed'), 1, 'the steady one noticed nothing');

  // A firewall that resets connections is noticed at once.
  const mark = log.all.length;
  unplugged.cable.filter('input', 'reject with tcp reset');
  await until('died', 'unplugged', mark);
  unplugged.cable.unfilter();
  await until('joined', 'unplugged', mark);
  await finish();
});

t.test('lost packets and a slow link accuse nobody', { buffered: true }, async (t) => {
  if (!hasNetworks(t)) return;
  const names = ['loses what comes', 'loses what leaves', 'slow'];
  const { log, workerOf, works, finish } = await start(t, 'lossy', names, 8_000);
  const [comes, leaves, slow] = names.map((name) => workerOf(name).cable);
  const tenth = 'numgen random mod 100 < 10 counter drop';
  comes.filter('input', tenth);
  leaves.filter('output', tenth);
  slow.limit('20mbit');
  for (let i = 0; i < 3; i++) for (const name of names) await works(name);
  const lost = [comes.dropped('input'), leaves.dropped('output')];
  t.comment(`packets lost: ${lost.join(' and ')}`);
  t.ok(Math.min(...lost) >= 10, 'packets were dropped');
  t.equal(log.count('late') + log.count('died'), 0, 'nobody was accused');
  t.equal(log.count('joined'), 3);
  const { slowestMs } = await finish();
  t.comment(`the slowest step took ${slowestMs.toFixed(0)} ms`);
});
