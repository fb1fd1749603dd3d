/** What travels between workers and the coordinator, counted on the way by a relay that knows nothing of either. */
import t from 'tap';
import { coordinate } from '../../coordinator/coordinator.ts';
import { openDoor } from '../../coordinator/door.ts';
import { Fleet } from '../../coordinator/fleet.ts';
import { prepareRun } from '../../coordinator/prepare.ts';
import { builtInFields } from '../../scripts/recipes/built-in.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { knownAnswer } from '../../shared/kernels/probe.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { systemClock } from '../../shared/wire/link.ts';
import { connect } from '../../worker/connect.ts';
import { work } from '../../worker/worker.ts';
import { countingRelay } from '../helpers/counting-relay.ts';
import { label, syntheticDataset } from '../helpers/train.ts';

t.setTimeout(120_000);

const source = syntheticDataset(3, 640, 10);
const kernels = loadKernels('auto');
const token = 'a token for these tests';
/** What a gradient of the note's network holds: two layers, and batch norm's two vectors of statistics between them. */
const values = 784 * 200 + 200 + 2 * 200 + 200 * 10 + 10;
/** The same where columns come in blocks of 16, which is how they lie in memory, sum and travel; some more for the loss. */
const valuesInBlocks = 784 * 208 + 208 + 2 * 208 + 200 * 16 + 16;
/** The end of a run: a message to each, and close frames (at most 131 bytes, RFC 6455) of two connections both ways. */
const farewellBytes = 1024 + 4 * 131;

async function trainNote(workers: number, batchSize: number) {
  const fields = { ...builtInFields('note'), batchSize, epochs: 2, trainSamples: null };
  const draft = draftRecipe(fields, label);
  const run = await prepareRun({ draft, source, kernels, threads: 1, initial: null, label });
  const limits = { workers, minWorkers: workers, workerTimeoutMs: 60_000, stepTimeoutMs: 60_000 };
  const fleet = new Fleet({ run, clock: systemClock, ...limits });
  const door = await openDoor({
    listen: { host: '127.0.0.1', port: 0 },
    ...{ token, tls: null, log: () => {} },
    onWorker: (link) => fleet.arrive(link),
  });
  const relays = await Promise.all(Array.from({ length: workers }, () => countingRelay(door.port)));
  const working = relays.map(({ port }, i) =>
    work({
      ...{ name: `worker ${i}`, threads: 1, kernels, answer: knownAnswer },
      data: { data: null, cache: null },
      ...{ connectTimeoutMs: 10_000, rejoinTimeoutMs: 0 },
      connect: (events) =>
        connect({ url: `ws://127.0.0.1:${port}`, token, fingerprint: null, timeoutMs: 10_000, events }),
    }),
  );
  const outcome = await coordinate(run, fleet, {});
  fleet.close('the run is done');
  await Promise.all(working);
  await door.close('the run is done');
  await Promise.all(relays.map((relay) => relay.close()));
  return { outcome, relays };
}

for (const [workers, batchSize] of [
  [1, 64],
  [2, 64],
  [3, 80],
] as const) {
  t.test(`${workers} of them train the note's network with batches of ${batchSize}`, async (t) => {
    const { outcome, relays } = await trainNote(workers, batchSize);
    const { steps, work } = outcome;
    t.equal(steps, (2 * 640) / batchSize);
    t.equal(work.length, workers);
    const shards = batchSize / 16;
    let gradients = 0;
    for (const [name, up, down] of relays.map(({ up, down }, i) => [`worker ${i}`, up, down] as const)) {
      const account = work.find((one) => one.name === name);
      const { bytesUp = 0, bytesDown = 0, gradientBytes = 0 } = account ?? {};
      for (const [way, counted, seen] of [
        ['up', bytesUp, up],
        ['down', bytesDown, down],
      ] as const) {
        t.ok(seen >= counted && seen - counted <= farewellBytes, `${name} ${way}: ${counted}, seen ${seen}`);
      }
      const isGradient = gradientBytes >= 4 * values && gradientBytes <= 4.02 * valuesInBlocks;
      t.ok(isGradient, `${gradientBytes} bytes a gradient`);
      t.equal(account?.steps, steps, 'a total for each step');
      gradients += account?.gradients ?? 0;
      const sent = (account?.gradients ?? 0) * gradientBytes;
      const besidesUp = (account?.bytesUpPerStep ?? 0) * steps - sent;
      const besidesDown = (account?.bytesDownPerStep ?? 0) * steps - steps * gradientBytes;
      t.ok(besidesUp > 0 && besidesUp < 0.01 * sent, `${besidesUp} bytes up besides ${sent}`);
      t.ok(
        besidesDown > 0 && besidesDown < 0.01 * steps * gradientBytes,
        `${besidesDown} bytes down besides`,
      );
    }
    // One that has all shards has one node; a few have more only if their spans are not aligned.
    if (workers === 1) t.equal(gradients, steps, 'one gradient a step');
    t.ok(gradients >= workers * steps && gradients <= shards * steps, `${gradients} gradients`);
  });
}
