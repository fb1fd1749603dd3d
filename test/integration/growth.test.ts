/** Workers that come, are cut off and come back leave nothing behind in the coordinator. */
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { knownAnswerOf, loadKernels } from '../../shared/kernels/load.ts';
import type { WorkerLink } from '../../shared/wire/link.ts';
import { connect } from '../../worker/connect.ts';
import { work } from '../../worker/worker.ts';
import { bitsAfter, OpenEndedRun, openEndedRecipe, openEndedSource } from '../helpers/open-ended.ts';
import { hasFile } from '../helpers/platform.ts';
import { bitsOf } from '../helpers/train.ts';

t.setTimeout(120_000);

/** Links that are dropped, without a word and with whatever is on its way, before anything is counted and then. */
const warmUp = 5;
const cuts = 30;
const mostHeapBytes = 3 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function kindsOf(resources: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  // Timers come and go with heartbeats and deadlines; sockets must not.
  for (const kind of resources.filter((one) => !/Timeout|Immediate/.test(one)))
    counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

t.test('no file descriptor, listener or memory grows with 30 cuts and joins', async (t) => {
  const isLinux = hasFile(t, '/proc/self/fd');
  const fields = openEndedRecipe();
  const source = openEndedSource();
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on('warning', warned);
  t.teardown(() => process.off('warning', warned));

  const run = await OpenEndedRun.open({ fields, source, workers: 2 });
  const { fleet, log, way } = run.remote;
  const kernels = loadKernels('wasm');
  const links = new Map<string, WorkerLink>();
  const leaving = new AbortController();
  const workers = ['steady', 'cut'].map((name) =>
    work({
      name,
      threads: 1,
      kernels,
      answer: knownAnswerOf(kernels),
      data: { data: null, cache: null },
      connectTimeoutMs: 10_000,
      rejoinTimeoutMs: 30_000,
      signal: leaving.signal,
      connect: async (events) => {
        const link = await connect({ ...way, timeoutMs: 10_000, events });
        links.set(name, link);
        return link;
      },
    }),
  );
  t.teardown(async () => {
    leaving.abort();
    await run.remote.close();
    await Promise.all(workers);
  });
  const cutAndJoin = async () => {
    const from = log.all.length;
    links.get('cut')?.destroy();
    await log.waitFor('its death', ({ kind }) => kind === 'died', { from });
    await log.waitFor('its return', ({ kind }) => kind === 'joined', { from });
  };
  const measure = async () => {
    const descriptors = isLinux ? readdirSync('/proc/self/fd').length : 0;
    const bytes: number[] = [];
    // What is on its way at the moment comes and goes; the least of several looks is what stays.
    for (let i = 0; i < 8; i++) {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      bytes.push(heapUsed + arrayBuffers);
      await setTimeout(10);
    }
    const resources = kindsOf(process.getActiveResourcesInfo());
    return { descriptors, resources, bytes: Math.min(...bytes) };
  };

  await log.waitFor('both workers', () => fleet.workers === 2);
  for (let i = 0; i < warmUp; i++) await cutAndJoin();
  const before = await measure();
  for (let i = 0; i < cuts; i++) await cutAndJoin();
  const after = await measure();
  t.equal(fleet.deaths, warmUp + cuts, 'every cut was a death');
  t.equal(fleet.joins, 2 + warmUp + cuts, 'after which it came back');
  if (isLinux) t.equal(after.descriptors, before.descriptors, 'file descriptors');
  t.same(after.resources, before.resources, 'open handles');
  const grown = after.bytes - before.bytes;
  t.ok(grown < mostHeapBytes, `memory: ${(grown / 1024).toFixed(0)} KiB more`);
  t.same(warnings, [], 'nobody warned of listeners');

  const trained = await run.stop();
  t.same(bitsOf(trained), await bitsAfter(fields, source, trained.steps));
  t.same(await Promise.all(workers), ['the run is done', 'the run is done']);
});
