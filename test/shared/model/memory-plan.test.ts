/** Where everything lies in memory: nothing overlaps, and all of it is where kernels may take whole vectors. */
import fc from 'fast-check';
import t from 'tap';
import { panelBytes, panelCount, stackBytes } from '../../../shared/kernels/kernels.ts';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import {
  controlBytes,
  evaluationShard,
  lossSlotBytes,
  type MemoryPlan,
  newMemory,
  planMemory,
  type Sizes,
} from '../../../shared/model/memory-plan.ts';
import { checksumBytes, noteBytes, rankPlaceOf, windowsOf } from '../../../shared/model/rank-plan.ts';

const seed = 20261130;
t.comment(`fast-check seed ${seed}`);

const texts = [
  'dense(10)',
  'dense(9) batchnorm sigmoid dense(10) batchnorm(variance=unbiased) affine(slope=1.5)',
  'dense(40) relu batchnorm(scale=uniform) tanh dense(17) relu dense(10)',
];

const sizes = fc.record({
  samples: fc.record({ train: fc.nat(900), test: fc.nat(900) }),
  batchSize: fc.integer({ min: 1, max: 300 }),
  shardSize: fc.integer({ min: 1, max: 64 }),
  threads: fc.integer({ min: 1, max: 9 }),
  ranks: fc.option(
    fc.integer({ min: 1, max: 5 }).chain((count) => fc.nat(count - 1).map((rank) => ({ rank, count }))),
    { nil: undefined },
  ),
});

type Run = readonly [name: string, offset: number, bytes: number];

/** What is at least as long as this, by what its users do with it. */
function runsOf(plan: MemoryPlan, { epochSamples, threads }: Sizes, flatSize: number, pixels: number): Run[] {
  const inputs = plan.threads.map(({ input }) => input);
  const matrices = new Set([...inputs, ...plan.activations, ...plan.activationGradients]);
  const largestSplit = Math.max(plan.train.samples, plan.test.samples);
  return [
    ['control', plan.control, controlBytes(threads)],
    ['non-finite', plan.nonFinite, 8],
    ['scale table', plan.scaleTable, 1024],
    ['rule', plan.rule, 16],
    ...plan.replicas.flatMap(({ flat, state }): Run[] => [
      ['flat vector', flat, 4 * flatSize],
      ['state', state, 4 * flatSize],
    ]),
    ['gradient', plan.gradient, 4 * flatSize],
    ...[...matrices].flatMap((matrix): Run[] =>
      matrix === null ? [] : [['matrix', matrix.offset, matrix.panels * matrix.stride]],
    ),
    ...plan.threads.flatMap(({ stack, loss, checksum }): Run[] => [
      ['stack', stack, stackBytes],
      ['loss', loss, panelBytes],
      ['checksum', checksum, 8],
    ]),
    // The merge of the losses reads whole vectors.
    ['batch losses', plan.batchLosses, (plan.shardCount - 1) * lossSlotBytes + panelBytes],
    ['evaluation losses', plan.evaluationLosses, Math.ceil(largestSplit / evaluationShard) * lossSlotBytes],
    ...runsOfRanks(plan),
    ['predictions', plan.predictions, largestSplit],
    ['step losses', plan.stepLosses, 4 * plan.stepCount],
    ['step counts', plan.stepCorrect, 4 * plan.stepCount],
    ['step seconds', plan.stepSeconds, 8 * plan.stepCount],
    ['step checksums', plan.stepChecksums, 8 * plan.stepCount],
    ['order', plan.order, 4 * epochSamples],
    ...[plan.train, plan.test].flatMap(({ samples, images, labels }): Run[] => [
      ['images', images, samples * pixels],
      ['labels', labels, samples],
    ]),
  ];
}

/** What ranks have beside: the windows of others whole, and what is in the own one. */
function runsOfRanks({ ranks: place }: MemoryPlan): Run[] {
  if (place === null) return [];
  const { ranks, common, windows, window, signals, notes } = place;
  const windowBytes = common[1].bytes / ranks.count;
  const others = (windows ?? []).filter((at) => at !== window);
  return [
    ...others.map((at): Run => ['another window', at, windowBytes]),
    ['vectors', place.vectors, place.nodes - place.vectors],
    ['notes', notes, ranks.count * noteBytes],
    ['signals', signals, window + windowBytes - signals],
    ['below', place.below, 1],
    ['checksums', place.checksums, checksumBytes],
    ['tables', place.tables, place.tableBytes],
    ['requests', place.requests, 8],
    ['request', place.request, 8],
  ];
}

t.test(
  'ranks have in common whole pages, with what is to be in them, and in all windows it lies alike',
  (t) => {
    const architecture = parseArchitecture(texts[1], [20], 10, 'model');
    const some = {
      samples: { train: 900, test: 9 },
      epochSamples: 900,
      batchSize: 40,
      shardSize: 3,
      threads: 2,
    };
    const plans = [0, 1, 2].map((rank) => planMemory(architecture, { ...some, ranks: { rank, count: 3 } }));
    const places = plans.map(({ ranks }) => rankPlaceOf({ ranks }));
    for (const [rank, { replicas, gradient }] of plans.entries()) {
      const { common, window, vectors, nodes, notes, signals } = places[rank];
      const windows = windowsOf(places[rank]);
      t.ok(common.every(({ at, bytes }) => at % 65_536 === 0 && bytes % 65_536 === 0));
      t.ok(windows.every((at) => at % 65_536 === 0));
      t.equal(window, windows[rank]);
      const isIn = (at: number, start: number, end: number) => start <= at && at < end;
      const shared = replicas.flatMap(({ flat, state }) => [flat, state]);
      t.ok(shared.every((at) => isIn(at, common[0].at, common[0].at + common[0].bytes)));
      const shown = [gradient, vectors, nodes, notes, signals];
      const first = places[0];
      t.ok(shown.every((at) => isIn(at, window, windows[rank + 1] ?? common[1].at + common[1].bytes)));
      t.same(
        shown.map((at) => at - window),
        [plans[0].gradient, first.vectors, first.nodes, first.notes, first.signals].map(
          (at) => at - first.window,
        ),
      );
      t.ok(
        places[rank].below < window && window < places[rank].above,
        'the kernels count from left to right',
      );
    }
    t.end();
  },
);

t.test('the windows of many ranks with a large model are not planned', (t) => {
  const architecture = parseArchitecture('dense(4000) dense(4000) dense(10)', [784], 10, 'model');
  const some = {
    samples: { train: 900, test: 9 },
    epochSamples: 900,
    batchSize: 64,
    shardSize: 4,
    threads: 1,
  };
  const planFor = (count: number) =>
    rankPlaceOf(planMemory(architecture, { ...some, ranks: { rank: 0, count } }));
  t.equal(planFor(2).windows?.length, 2);
  t.equal(planFor(16).windows, null);
  t.throws(() => windowsOf(planFor(16)), /without the windows of other ranks/);
  t.end();
});

t.test('nothing overlaps, everything begins at a multiple of 64 bytes, and 0 is nobody’s', (t) => {
  let byColumns = 0;
  fc.assert(
    fc.property(sizes, fc.constantFrom(...texts), fc.integer({ min: 1, max: 40 }), (some, text, pixels) => {
      const architecture = parseArchitecture(text, [pixels], 10, 'model');
      const given = { ...some, epochSamples: some.samples.train };
      const plan = planMemory(architecture, given);
      if (plan.byColumns) byColumns += 1;
      const runs = runsOf(plan, given, architecture.flatSize, pixels).toSorted((a, b) => a[1] - b[1]);
      let [end, before] = [64, 'the beginning'];
      for (const [name, offset, bytes] of runs) {
        if (bytes > 0 && offset < end) throw new Error(`${name} overlaps ${before}`);
        if (offset % 64 !== 0) throw new Error(`${name} is at ${offset}`);
        if (bytes > 0) [end, before] = [offset + bytes, name];
      }
      const { layersShared, threads } = plan;
      const others = [...layersShared, ...threads.flatMap(({ layers }) => layers)];
      return end <= plan.bytes && others.every((offset) => offset % 64 === 0);
    }),
    { seed, numRuns: 300 },
  );
  t.ok(byColumns > 10 && byColumns < 290, `300 plans, ${byColumns} of them with an input for each thread`);
  t.end();
});

t.test(
  'the columns are divided where a panel for each thread is there and they weigh more than the batch',
  (t) => {
    const architecture = parseArchitecture('dense(40) dense(10)', [20], 10, 'model');
    const divided = (batchSize: number, threads: number) => {
      const some = { samples: { train: 900, test: 0 }, epochSamples: 900, shardSize: 16 };
      const { byColumns, threads: places } = planMemory(architecture, { ...some, batchSize, threads });
      t.equal(new Set(places.map(({ input }) => input)).size, byColumns ? threads : 1);
      return byColumns;
    };
    // Weights of 20 rows by 3 panels, inputs of 2 panels.
    t.same(
      [29, 30].map((batchSize) => divided(batchSize, 2)),
      [true, false],
    );
    t.same(
      [1, 2, 3, 4].map((threads) => divided(8, threads)),
      [false, true, true, false],
    );
    t.end();
  },
);

t.test('panels of all matrices are as far from each other, by whole rows and an odd number of them', (t) => {
  const architecture = parseArchitecture(texts[2], [40], 10, 'model');
  for (const batchSize of [1, 64, 300]) {
    const some = { samples: { train: 900, test: 100 }, epochSamples: 900, shardSize: 16, threads: 3 };
    const plan = planMemory(architecture, { ...some, batchSize });
    const matrices = [...plan.activations, ...plan.activationGradients].filter((matrix) => matrix !== null);
    t.equal(new Set(matrices.map(({ stride }) => stride)).size, 1);
    const rows = matrices[0].stride / 64;
    t.ok(rows % 2 === 1 && rows >= Math.max(batchSize, 3 * evaluationShard), `${rows} rows`);
    t.ok(matrices.every(({ width, panels }) => panels === panelCount(width)));
    t.ok(newMemory(plan).buffer.byteLength >= plan.bytes);
  }
  t.equal(lossSlotBytes % panelBytes, 0, 'losses are merged as vectors');
  t.end();
});
