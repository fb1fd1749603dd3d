/** Shards that are taken over in the middle of a step: the bits of those who had them from its start. */
import t, { type Test } from 'tap';
import { loadDataset } from '../../shared/load-data.ts';
import { replicaViews } from '../../shared/replica.ts';
import { Team } from '../../worker/team.ts';
import { WorkerMemory } from '../../worker/worker-memory.ts';
import { startTraining, syntheticDataset } from '../helpers/train.ts';

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

/** A worker with the data and the first replica, which has computed nothing. */
async function newWorker(t: Test, batchNorm: 'sync' | 'ghost', threads: number) {
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
  const crew = await Team.start({ setup: memory.setup, kernels, memory: memory.memory });
  t.teardown(() => crew.close());
  const partials = async (how: 'begin' | 'extend' | 'advance', exchange: number, nodes: (typeof root)[]) => {
    const taken: string[] = [];
    await crew.compute(how, 0, exchange, nodes, ({ lo, hi }, partial) => {
      const bytes = partial.slice(0, memory.totalBytes[exchange]);
      taken.push(`${lo}–${hi} ${Buffer.from(bytes).toString('hex')}`);
    });
    return taken;
  };
  return { memory, partials };
}

for (const batchNorm of ['sync', 'ghost'] as const) {
  for (const threads of [1, 3]) {
    t.test(`${batchNorm}, ${threads} threads: taken over at any exchange`, async (t) => {
      const alone = await newWorker(t, batchNorm, 1);
      const first = await newWorker(t, batchNorm, threads);
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
        const late = await newWorker(t, batchNorm, threads);
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
