/** What computes for a worker: whichever it is, shards taken over in the middle of a step give the same bits. */
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { loadDataset } from '../../shared/load-data.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { replicaViews } from '../../shared/replica.ts';
import { setupOf } from '../../shared/setup.ts';
import type { Phase } from '../../shared/timeline.ts';
import { canComputeAlone, SoloCrew } from '../../worker/solo-crew.ts';
import { Team } from '../../worker/team.ts';
import { WorkerMemory } from '../../worker/worker-memory.ts';
import { label, startTraining, syntheticDataset } from '../helpers/train.ts';

const source = syntheticDataset(20261123, 60, 10);
const fields = {
  model: 'dense(12) batchnorm relu dense(7) batchnorm tanh dense(10)',
  batchSize: 25,
  shardSize: 4,
  epochs: 1,
};
/** The root of the tree over the seven shards of a batch, and its children. */
const root = { lo: 0, hi: 7 };
const [left, right] = [
  { lo: 0, hi: 4 },
  { lo: 4, hi: 7 },
];

/** The main thread alone, or threads. */
type CrewKind = 'alone' | 1 | 3;

/** A worker with the data and the first replica, which has computed nothing. */
async function newWorker(t: Test, batchNorm: 'sync' | 'ghost', crewKind: CrewKind) {
  const threads = crewKind === 'alone' ? 1 : crewKind;
  const { run, team } = await startTraining({ ...fields, batchNorm }, { source });
  await team.close();
  const { recipe, kernels, setup } = run;
  const { samples } = setup.sizes;
  const memory = new WorkerMemory({ recipe, samples, kernels, threads });
  await loadDataset(source, memory.training.plan, memory.memory);
  const size = run.architecture.flatSize;
  const first = replicaViews(run.memory, run.plan, size, 0);
  const [flat, state] = replicaViews(memory.memory, memory.training.plan, size, 0);
  flat.set(first[0]);
  state.set(first[1]);
  memory.enterStep(0);
  const crew =
    crewKind === 'alone'
      ? new SoloCrew(memory)
      : await Team.start({ setup: memory.setup, kernels, memory: memory.memory });
  t.teardown(() => crew.close());
  const partials = async (how: 'begin' | 'extend' | 'advance', exchange: number, nodes: (typeof root)[]) => {
    const taken: string[] = [];
    await crew.compute(how, 0, exchange, nodes, ({ lo, hi }, partial) => {
      const bytes = partial.slice(0, memory.totalBytes[exchange]);
      taken.push(`${lo}–${hi} ${Buffer.from(bytes).toString('hex')}`);
    });
    return taken;
  };
  return { memory, partials, crew };
}

for (const batchNorm of ['sync', 'ghost'] as const) {
  for (const kind of ['alone', 1, 3] as const) {
    t.test(`${batchNorm}, ${kind}: taken over at any exchange`, async (t) => {
      const alone = await newWorker(t, batchNorm, 1);
      const first = await newWorker(t, batchNorm, kind);
      const { totalBytes } = first.memory;
      const expected: string[][] = [];
      const totals: Uint8Array[] = [];
      for (const exchange of totalBytes.keys()) {
        const how = exchange === 0 ? 'begin' : 'advance';
        const [whole] = await alone.partials(how, exchange, [root]);
        totals.push(Buffer.from(whole.split(' ')[1], 'hex'));
        expected.push(await first.partials(how, exchange, [left, right]));
        for (const { memory } of [alone, first]) memory.writeTotal(exchange, totals[exchange]);
      }
      for (const from of totalBytes.keys()) {
        const late = await newWorker(t, batchNorm, kind);
        for (let before = 0; before < from; before++) late.memory.writeTotal(before, totals[before]);
        const begun = await late.partials('begin', from, [left]);
        const extended = await late.partials('extend', from, [right]);
        t.same([...begun, ...extended], expected[from], `exchange ${from}, from there on`);
        for (let exchange = from + 1; exchange < totalBytes.length; exchange++) {
          late.memory.writeTotal(exchange - 1, totals[exchange - 1]);
          const advanced = await late.partials('advance', exchange, [left, right]);
          t.same(advanced, expected[exchange], `exchange ${exchange}, begun at ${from}`);
        }
      }
    });
  }
}

for (const kind of ['alone', 1, 3] as const) {
  t.test(`${kind}: a step from exchange to exchange is recorded to its end, with the waiting`, async (t) => {
    const threads = kind === 'alone' ? 1 : kind;
    const { memory, partials, crew } = await newWorker(t, 'sync', kind);
    const { totalBytes } = memory;
    const zeros = totalBytes.map((bytes) => new Uint8Array(bytes));
    crew.resumeAt(0);
    await partials('begin', 0, [root]);
    t.same(crew.recorded(), [], 'nobody asked');
    crew.record(1);
    const beginMs = performance.now();
    await partials('begin', 0, [left]);
    await partials('extend', 0, [right]);
    for (let exchange = 1; exchange < totalBytes.length; exchange++) {
      memory.writeTotal(exchange - 1, zeros[exchange - 1]);
      await setTimeout(2); // the total is on its way
      t.same(crew.recorded(), [], 'the step goes on');
      await partials('advance', exchange, [left, right]);
    }
    memory.writeTotal(totalBytes.length - 1, zeros[totalBytes.length - 1]);
    await crew.apply(0);
    const elapsedMs = performance.now() - beginMs;
    const [step, ...more] = crew.recorded();
    t.same(more, []);
    t.equal(step.committed, 0);
    t.ok(step.startMs >= beginMs - 1, 'it began when it was asked for');
    t.equal(step.threads.length, threads);
    for (const segments of step.threads) {
      t.ok(
        segments.every(({ from }, i) => i === 0 || from === segments[i - 1].to),
        'no gaps',
      );
      const of = (phase: Phase) =>
        segments.reduce((sum, one) => sum + (one.phase === phase ? one.to - one.from : 0), 0);
      const whole = segments[segments.length - 1].to - segments[0].from;
      t.ok(whole <= elapsedMs && whole >= 2 * (totalBytes.length - 1), `${whole} of ${elapsedMs} ms`);
      t.ok(of('waiting') >= 1.9 * (totalBytes.length - 1), `${of('waiting')} ms of waiting`);
      for (const phase of ['gather', 'forward', 'exchange', 'backward', 'update'] as const) {
        t.ok(of(phase) > 0, phase);
      }
    }
    // Of a step in which it has nothing to compute, there is the update.
    await crew.apply(1);
    const [{ committed, threads: timelines }] = crew.recorded();
    t.equal(committed, 1);
    t.same(new Set(timelines.flat().map(({ phase }) => phase)).has('forward'), false);
    crew.record(0);
    await crew.apply(2);
    t.same(crew.recorded(), []);
  });
}

const recipe = draftRecipe(fields, label);

t.test('a main thread computes itself only what leaves it time to answer heartbeats', (t) => {
  const setup = (batchSize: number, threads = 1) =>
    setupOf({ ...recipe, batchSize }, { train: 60_000, test: 10 }, { threads, isRemote: true });
  t.equal(canComputeAlone(setup(64), 160_000, 'wasm'), true);
  t.equal(canComputeAlone(setup(1024), 160_000, 'native:avx2'), true);
  t.equal(canComputeAlone(setup(60_000), 160_000, 'wasm'), false, 'a huge batch');
  t.equal(canComputeAlone(setup(64), 4_000_000, 'wasm'), false, 'a huge model');
  t.equal(canComputeAlone(setup(64), 160_000, 'exact'), false, 'slow kernels');
  t.equal(canComputeAlone(setup(64, 2), 160_000, 'wasm'), false, 'two threads');
  t.end();
});
