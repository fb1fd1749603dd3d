/** However threads divide a dense layer's product, by rows or by columns, its bits are those of one thread. */
import t from 'tap';
import { panelWidth } from '../../../shared/kernels/kernels.ts';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import { newMemory, planMemory } from '../../../shared/model/memory-plan.ts';
import { Model } from '../../../shared/model/model.ts';
import { NonFinite } from '../../../shared/model/non-finite.ts';
import { assignSpan, newSpan } from '../../../shared/reduction/span.ts';
import { kernelBuilds } from '../../helpers/kernels.ts';
import { randomNumbers } from '../../helpers/reference/random-data.ts';

const shardSize = 5;
const builds = kernelBuilds(t);
type Build = (typeof builds)[number];

interface Case {
  readonly threads: number;
  readonly batchSize: number;
  /** Of this batch. */
  readonly rows: number;
  /** The rows that the threads hold together; all, if it is not said. */
  readonly team?: readonly [first: number, end: number];
}

/** The outputs of the first layer, row by row; NaN where nothing was written. */
function forward(build: Build, { threads, batchSize, rows, team = [0, rows] }: Case) {
  const architecture = parseArchitecture('dense(90) relu dense(10)', [784], 10, 'model');
  const samples = { train: batchSize, test: 0 };
  const plan = planMemory(architecture, { samples, epochSamples: batchSize, batchSize, shardSize, threads });
  const memory = newMemory(plan);
  const kernels = build.instantiate(memory);
  const nonFinite = new NonFinite(memory, plan.nonFinite);
  const random = randomNumbers(5);
  const [replica] = plan.replicas;
  new Uint8Array(memory.buffer, plan.train.images, rows * 784).forEach((_, i, images) => {
    images[i] = 128 + 128 * random();
  });
  new Uint32Array(memory.buffer, plan.order, rows).set(Array.from({ length: rows }, (_, i) => i));
  new Float32Array(memory.buffer, plan.scaleTable, 256).set(Array.from({ length: 256 }, random));
  new Float32Array(memory.buffer, replica.flat, architecture.flatSize).forEach((_, i, flat) => {
    flat[i] = random();
  });
  const [input, output] = plan.activations;
  const panels = Array.from(
    { length: output.panels },
    (_, p) => new Float32Array(memory.buffer, output.offset + p * output.stride, rows * panelWidth),
  );
  for (const panel of panels) panel.fill(Number.NaN);
  for (const { offset, panels, stride } of new Set([input, ...plan.threads.map((thread) => thread.input)]))
    new Float32Array(memory.buffer, offset, (panels * stride) / 4).fill(Number.NaN);

  const settings = { architecture, optimizer: 'sgd(lr=0.1)', batchNorm: 'sync' } as const;
  const members = Array.from({ length: threads }, (_, rank) => {
    const model = new Model(settings, { plan, memory, kernels, nonFinite }, rank, threads);
    const span = { ...newSpan(shardSize), current: replica };
    assignSpan(span, rows, rank, threads);
    return { model, span: Object.assign(span, { firstTeamRow: team[0], endTeamRow: team[1] }) };
  });
  for (const { model, span } of members) {
    model.gather(span);
    model.layers[0].forward(span);
  }
  return {
    isByColumns: members.map(({ model }) => model.layers[0].byColumns),
    outputs: Array.from({ length: rows }, (_, row) =>
      Array.from({ length: output.width }, (_, o) => panels[o >> 4][panelWidth * row + (o & 15)]),
    ),
  };
}

for (const build of builds) {
  for (const rows of [24, 12, 3]) {
    t.test(`${build.name}: ${rows} rows by 6 panels, by columns and by rows, are the same bits`, (t) => {
      const alone = forward(build, { threads: 1, batchSize: 24, rows });
      t.same(alone.isByColumns, [false], 'one thread has nothing to divide');
      t.ok(alone.outputs.flat().every(Number.isFinite), 'everything is written');
      const hold = (threads: number, batchSize: number, isByColumns: boolean) =>
        t.same(
          forward(build, { threads, batchSize, rows }),
          { isByColumns: Array(threads).fill(isByColumns), outputs: alone.outputs },
          `${threads} threads, batch ${batchSize}`,
        );
      for (const threads of [2, 3, 5, 6]) hold(threads, 24, true);
      for (const threads of [2, 3, 5, 6]) hold(threads, 96, false); // as large as the weights
      hold(7, 24, false); // more threads than panels
      t.end();
    });
  }
}

t.test('threads that hold some rows of the batch compute these and no others', (t) => {
  const [build] = builds;
  const whole = forward(build, { threads: 1, batchSize: 24, rows: 24 }).outputs;
  const { isByColumns, outputs } = forward(build, { threads: 2, batchSize: 24, rows: 24, team: [10, 20] });
  t.same(isByColumns, [true, true]);
  t.same(outputs.slice(10, 20), whole.slice(10, 20));
  t.ok([...outputs.slice(0, 10), ...outputs.slice(20)].flat().every(Number.isNaN));
  t.end();
});
