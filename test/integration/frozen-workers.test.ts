/** Workers that freeze and thaw, and a run that nobody is left of. */
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { bitsAfter, OpenEndedRun, openEndedRecipe, openEndedSource } from '../helpers/open-ended.ts';
import { startWorker } from '../helpers/processes.ts';
import { RemoteRun } from '../helpers/remote-run.ts';
import { bitsOf } from '../helpers/train.ts';

t.setTimeout(120_000);
t.jobs = 3; // they wait most of the time

const source = openEndedSource();

async function start(t: Test, options: { stepTimeoutMs?: number; names: string[] }) {
  const fields = openEndedRecipe();
  const { names, ...limits } = options;
  const run = await OpenEndedRun.open({ fields, source, workers: names.length, ...limits });
  t.teardown(() => run.remote.close());
  const begin = (name: string) => startWorker(t, { ...run.remote.way, name });
  const { log, fleet } = run.remote;
  /** Waits for something that happens to a worker, from the `from`-th event on. */
  const until = (kind: string, name: string, from = 0) =>
    log.waitFor(
      `${name}: ${kind}`,
      (event) => event.kind === kind && 'name' in event && event.name === name,
      {
        from,
      },
    );
  /** Waits until so many more steps are done, without taking turns from them. */
  const steps = async (count: number) => {
    const end = fleet.committed + count;
    while (fleet.committed < end) await setTimeout(10);
  };
  const shardsOf = (name: string) => fleet.account().find((one) => one.name === name)?.shards ?? 0;
  return { run, fields, log, fleet, begin, until, steps, shardsOf, workers: names.map(begin) };
}

t.test(
  'a frozen worker costs a deadline, and a thawed one takes part again',
  { buffered: true },
  async (t) => {
    const stepTimeoutMs = 400;
    const names = ['steady', 'brief', 'long'];
    const { run, fields, log, fleet, until, steps, shardsOf, workers } = await start(t, {
      stepTimeoutMs,
      names,
    });
    const [steady, brief, long] = workers;
    for (const name of names) await until('joined', name);
    await steps(20);
    const calmSteps = fleet.committed;

    const mark = log.all.length;
    const briefAtMs = brief.signal('SIGSTOP');
    const late = await until('late', 'brief', mark);
    t.comment(
      `frozen: late after ${(late.atMs - briefAtMs).toFixed(0)} ms, with a deadline of ${stepTimeoutMs} ms`,
    );
    await steps(20);
    const longAtMs = long.signal('SIGSTOP');
    await until('late', 'long', mark);
    await steps(20);
    t.equal(fleet.workers, 1, 'the one that is left goes on alone');
    const dropped = fleet.framesDropped;
    const shards = shardsOf('brief');
    brief.signal('SIGCONT');
    await brief.log.waitFor('a new replica', ({ kind }) => kind === 'resync');
    while (shardsOf('brief') === shards) await steps(1);
    t.ok(fleet.framesDropped > dropped, `late answers were dropped: ${fleet.framesDropped - dropped}`);
    t.equal(brief.log.count('welcomed'), 1, 'over the same connection');
    t.equal(fleet.deaths, 0);

    const died = await until('died', 'long', mark);
    t.match(died, { reason: /^silent for/ });
    t.comment(`frozen for good: given up after ${(died.atMs - longAtMs).toFixed(0)} ms`);
    const markOfDeath = log.all.length;
    const longShards = shardsOf('long');
    long.signal('SIGCONT');
    t.match(await until('joined', 'long', markOfDeath), { isBack: true }, 'it comes back by itself');
    while (shardsOf('long') === longShards) await steps(1);
    t.equal(long.log.count('welcomed'), 2, 'over a new connection');

    const trained = await run.stop();
    t.same(bitsOf(trained), await bitsAfter(fields, source, trained.steps));
    t.match(trained, { deaths: 1, joins: 4 });
    t.equal(log.count('conflict'), 0, 'late answers had the same bits');
    t.ok(trained.shardsRecomputed > 0, `others computed ${trained.shardsRecomputed} shards`);
    t.equal(steady.log.count('welcomed'), 1);
    const usualMs = run.usualMs(0, calmSteps);
    const lateMs = 'step' in late ? 1000 * run.steps[late.step].seconds : Number.NaN;
    t.comment(
      `a step usually takes ${usualMs.toFixed(1)} ms, the one with the frozen worker ${lateMs.toFixed(1)} ms`,
    );
    t.ok(lateMs >= stepTimeoutMs && lateMs < 2 * stepTimeoutMs + 3_000, 'the step ended after its deadline');
    for (const worker of workers) t.match(await worker.exited, { code: 0 });
  },
);

t.test(
  'with all workers gone the run waits, says so, and goes on when one joins',
  { buffered: true },
  async (t) => {
    const { run, fields, log, until, steps, begin, workers } = await start(t, { names: ['one', 'two'] });
    for (const name of ['one', 'two']) await until('joined', name);
    await steps(5);
    const mark = log.all.length;
    for (const worker of workers) worker.signal('SIGKILL');
    const waiting = await log.waitFor('to say it', ({ kind }) => kind === 'waiting', { from: mark });
    t.match(waiting, { workers: 0, needed: 1 });
    begin('three');
    await until('joined', 'three');
    await steps(5);
    const trained = await run.stop();
    t.same(bitsOf(trained), await bitsAfter(fields, source, trained.steps));
    t.match(trained, { deaths: 2, joins: 3 });
  },
);

t.test('with all workers gone for too long the run ends', { buffered: true }, async (t) => {
  const remote = await RemoteRun.open({
    fields: openEndedRecipe(),
    source,
    workers: 1,
    workerTimeoutMs: 300,
  });
  t.teardown(() => remote.close());
  const worker = startWorker(t, { ...remote.way, name: 'only' });
  await remote.log.waitFor('the worker', ({ kind }) => kind === 'joined');
  const ended = t.rejects(remote.train(), { code: 'WORKERS', message: /--worker-timeout/ });
  while (remote.fleet.committed < 3) await setTimeout(10);
  worker.signal('SIGKILL');
  await ended;
  t.equal(remote.fleet.deaths, 1);
});
