/**
 * A kill every two seconds: how soon it is noticed, what it costs, and the bits. With LOCKSTEP_TEST_LONG=1 for a minute,
 * otherwise for some seconds.
 */
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { bitsAfter, OpenEndedRun, openEndedRecipe, openEndedSource } from '../helpers/open-ended.ts';
import { startWorker, type WorkerProcess } from '../helpers/processes.ts';
import { bitsOf, type Trained } from '../helpers/train.ts';

const isLong = process.env.LOCKSTEP_TEST_LONG === '1';
const durationMs = isLong ? 60_000 : 8_000;
const calmMs = isLong ? 20_000 : 4_000;
const everyMs = 2_000;
const workers = 4;

t.setTimeout(isLong ? 400_000 : 120_000);

const fields = openEndedRecipe();
const source = openEndedSource();

interface Kill {
  readonly name: string;
  readonly atMs: number;
}

/** Trains for some seconds; on each beat the oldest worker is killed and a new one started. */
async function trainFor(t: Test, ms: number, isCalm: boolean) {
  const run = await OpenEndedRun.open({ fields, source, workers });
  t.teardown(() => run.remote.close());
  const cache = t.testdir();
  let started = 0;
  const alive: { readonly name: string; readonly process: WorkerProcess }[] = [];
  const startOne = () => {
    const name = `worker ${++started}`;
    alive.push({ name, process: startWorker(t, { ...run.remote.way, name, cache }) });
  };
  for (let i = 0; i < workers; i++) startOne();
  await run.remote.log.waitFor(
    'all workers',
    ({ kind }) => kind === 'joined' && run.remote.fleet.workers === workers,
  );
  const kills: Kill[] = [];
  // The pace is what is tested here; nothing waits for it.
  for (let i = 1; i * everyMs <= ms; i++) {
    await setTimeout(everyMs);
    if (isCalm || i * everyMs === ms) continue;
    const oldest = alive.shift();
    if (oldest === undefined) throw new Error('nobody is left');
    kills.push({ name: oldest.name, atMs: oldest.process.signal('SIGKILL') });
    startOne();
  }
  const trained = await run.stop();
  for (const { process } of alive) t.match(await process.exited, { code: 0 }, process.stderr);
  return { run, trained, kills };
}

function speedOf({ samples, trainSeconds }: Trained): number {
  return samples / trainSeconds;
}

t.test(`four workers, one killed every ${everyMs / 1000} s`, async (t) => {
  // Before and after, because a machine with other work is not as fast all the time.
  const calm = [await trainFor(t, calmMs, true)];
  const { run, trained, kills } = await trainFor(t, durationMs, false);
  if (isLong) calm.push(await trainFor(t, calmMs, true));
  const usualMs = Math.max(...calm.map(({ run }) => run.usualMs()));
  t.ok(calm.every(({ trained }) => trained.deaths === 0));
  t.ok(kills.length >= durationMs / everyMs - 1, `${kills.length} kills`);
  t.equal(trained.deaths, kills.length);
  t.same(bitsOf(trained), await bitsAfter(fields, source, trained.steps));

  const { log } = run.remote;
  const noticed = kills.map(({ name, atMs }) => {
    const died = log.all.find((event) => event.kind === 'died' && event.name === name);
    if (died?.kind !== 'died') throw new Error(`nobody noticed the death of ${name}`);
    return { ms: died.atMs - atMs, stepMs: 1000 * (run.steps[died.step]?.seconds ?? 0) };
  });
  const most = (values: readonly number[]) => Math.max(...values);
  const noticedMs = most(noticed.map(({ ms }) => ms));
  const stepMs = most(noticed.map(({ stepMs }) => stepMs));
  t.comment(`noticed after ${noticed.map(({ ms }) => ms.toFixed(1)).join(', ')} ms`);
  t.comment(
    `a step usually takes ${usualMs.toFixed(1)} ms, those with a kill at most ${stepMs.toFixed(1)} ms`,
  );
  // Asked for are 250 ms on a machine that does nothing else.
  t.ok(noticedMs < 2_000, `a kill is noticed, after ${noticedMs.toFixed(1)} ms at most`);
  t.ok(stepMs < 2 * usualMs + 2_000, 'and its step ends');
  const calmSpeed = calm.reduce((sum, one) => sum + speedOf(one.trained), 0) / calm.length;
  const share = speedOf(trained) / calmSpeed;
  t.comment(`${calmSpeed.toFixed(0)} samples/s in calm, ${(100 * share).toFixed(0)} % of it with kills`);
  t.ok(share > 0.1, 'work goes on meanwhile');
  const shards = trained.work.reduce((sum, work) => sum + work.shards, 0);
  const shardsOf = (step: number) => (step % 8 === 7 ? 13 : 16); // 2000 samples are 7 batches of 256 and one of 208
  t.equal(
    shards,
    Array.from({ length: trained.steps }, (_, step) => shardsOf(step)).reduce((sum, one) => sum + one, 0),
    'every shard of every step counts once',
  );
});
