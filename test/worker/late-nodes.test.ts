/** Nodes that come to a team in the middle of a step give the partials that they give from its start. */
import t from 'tap';
import { prepareRun } from '../../coordinator/prepare.ts';
import { CoordinatorReplica } from '../../coordinator/replica.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { splitViews } from '../../shared/load-data.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import type { TreeNode } from '../../shared/reduction/tree.ts';
import { Team } from '../../worker/team.ts';
import { WorkerMemory } from '../../worker/worker-memory.ts';
import { label, syntheticDataset } from '../helpers/train.ts';

const kernels = loadKernels('wasm');
const fields = { model: 'dense(13) batchnorm relu dense(10) batchnorm', batchSize: 24, shardSize: 5 };
const root: TreeNode = { lo: 0, hi: 5 };
const left: TreeNode = { lo: 0, hi: 4 };
const right: TreeNode = { lo: 4, hi: 5 };

t.test('nodes that are added at any exchange of a step give the same gradient', async (t) => {
  const source = syntheticDataset(7, 24, 10);
  const draft = draftRecipe(fields, label);
  const run = await prepareRun({ draft, source, kernels, threads: 1, initial: null, label });
  const replica = new CoordinatorReplica(run).snapshot();

  /** Computes with a new memory and one thread. */
  const withTeam = async <Result>(use: (memory: WorkerMemory, team: Team) => Promise<Result>) => {
    const { recipe, setup, plan } = run;
    const memory = new WorkerMemory({ recipe, samples: setup.sizes.samples, kernels, threads: 1 });
    for (const split of ['train', 'test'] as const) {
      const from = splitViews(plan[split], run.memory);
      const to = splitViews(memory.training.plan[split], memory.memory);
      to.images.set(from.images);
      to.labels.set(from.labels);
    }
    t.equal(memory.replicaChunk(0, 0, replica), true);
    memory.enterStep(0);
    const team = await Team.start({ setup: memory.setup, kernels, memory: memory.memory });
    try {
      return await use(memory, team);
    } finally {
      await team.close();
    }
  };

  /** Takes a step, and returns the totals, or the last partials of both nodes. */
  const exchangeCount = 5;
  const totals = await withTeam(async (memory, team) => {
    t.equal(memory.totalBytes.length, exchangeCount);
    const totals: Uint8Array[] = [];
    for (const [exchange, bytes] of memory.totalBytes.entries()) {
      await team.compute(exchange === 0 ? 'begin' : 'advance', 0, exchange, [root], (_, partial) => {
        totals.push(partial.slice(0, bytes));
      });
      memory.writeTotal(exchange, totals[exchange]);
    }
    return totals;
  });
  const gradients = (late: number) =>
    withTeam(async (memory, team) => {
      const got = new Map<number, Uint8Array>();
      const take = ({ lo }: TreeNode, partial: Uint8Array) => void got.set(lo, partial.slice());
      for (const [exchange, total] of totals.entries()) {
        const held = exchange <= late ? [left] : [left, right];
        await team.compute(exchange === 0 ? 'begin' : 'advance', 0, exchange, held, take);
        if (exchange === late) await team.compute('extend', 0, exchange, [right], take);
        memory.writeTotal(exchange, total);
      }
      return got;
    });
  const expected = await gradients(0);
  t.equal(expected.size, 2);
  for (let late = 1; late < exchangeCount; late++) {
    t.same(await gradients(late), expected, `at exchange ${late}`);
  }
});
