/** What speeds mean: shares of a peak, speed-ups, ratios. */
import t from 'tap';
import {
  besidePeaks,
  type MeasuredGroup,
  peerResult,
  sideResults,
  speedsOf,
} from '../../../scripts/bench/results.ts';

const flops = { forward: 100, backward: 50, update: 100 };
const side = (kernels: string, threads: number, readings: number[], workers = 0, ranks = 0) => ({
  ...{ kernels, workers, ranks, threads, readings },
  ...{ phases: null, step: null },
});
const sides = sideResults(
  [
    side('wasm', 1, [4e6, 2e6, 3e6]),
    side('wasm', 2, [6e6, 6e6, 6e6]),
    side('wasm', 4, [9e6, 9e6, 9e6]),
    side('new', 2, [12e6, 12e6, 12e6]),
  ],
  flops,
);

t.test('the median of the rounds is what counts, and all of them are kept', (t) => {
  t.match(speedsOf([4, 2, 3]), { samplesPerSecond: 3, readings: [4, 2, 3] });
  t.equal(speedsOf([4, 2, 3]).spread, 1 / 3);
  t.end();
});

const group: MeasuredGroup = {
  recipe: 'r',
  model: 'dense(10)',
  batchSize: 64,
  flops,
  sides,
  products: [
    { layer: 'dense(10)', inputs: 784, outputs: 10, kernels: 'new', forward: 3, backward: null, update: 1 },
  ],
  peers: [],
  failed: [],
};
const peaks = { wasm: 2, new: 6 };

t.test('GFLOP/s are of all threads, their share is of as many peaks', (t) => {
  t.same(
    besidePeaks(group, peaks, 4).sides.map(({ gflops, ofPeak }) => [gflops, ofPeak]),
    [
      [0.75, 0.375],
      [1.5, 0.375],
      [2.25, 0.28125],
      [3, 0.25],
    ],
  );
  t.match(besidePeaks(group, peaks, 4).products, [{ kernels: 'new', forward: 3, peak: 6 }]);
  t.end();
});

t.test('more threads than cores have no more peaks than cores', (t) => {
  t.same(
    besidePeaks(group, peaks, 2).sides.map(({ ofPeak }) => ofPeak),
    [0.375, 0.375, 0.5625, 0.25],
  );
  t.end();
});

t.test('a speed-up is over one thread with the same kernels, if that was measured', (t) => {
  t.same(
    sides.map(({ speedUp }) => speedUp),
    [1, 2, 3, null],
  );
  t.end();
});

t.test('a peer is compared with the fewest and the most threads', (t) => {
  t.match(peerResult({ name: 'other', version: '1', settings: 'two', advice: null }, [6e6], sides), {
    name: 'other',
    samplesPerSecond: 6e6,
    ratios: [
      { kernels: 'wasm', threads: 1, ratio: 0.5 },
      { kernels: 'wasm', threads: 4, ratio: 1.5 },
    ],
  });
  t.end();
});

t.test('workers have as many threads as there are of them, and are compared with one thread', (t) => {
  const withWorkers = sideResults(
    [side('wasm', 1, [3e6]), ...[1, 2, 4].map((workers) => side('wasm', 1, [6e6], workers))],
    flops,
  );
  t.same(
    withWorkers.map(({ workers, speedUp }) => [workers, speedUp]),
    [
      [0, 1],
      [1, 2],
      [2, 2],
      [4, 2],
    ],
  );
  const ofPeak = besidePeaks({ ...group, sides: withWorkers }, peaks, 2).sides.map((one) => one.ofPeak);
  t.same(ofPeak, [0.375, 0.75, 0.375, 0.375], 'of one, one, two and (all there are) two cores');
  t.match(
    peerResult({ name: 'other', version: '1', settings: 'two', advice: null }, [3e6], withWorkers).ratios,
    [
      { workers: 0, threads: 1, ratio: 1 },
      { workers: 1, threads: 1, ratio: 2 },
      { workers: 4, threads: 1, ratio: 2 },
    ],
    'the fewest and the most of both kinds',
  );
  t.end();
});

t.test(
  'ranks and workers are compared with as many threads of one process, where these were measured',
  (t) => {
    const all = sideResults(
      [
        ...[side('wasm', 1, [2e6]), side('wasm', 2, [4e6])],
        ...[side('wasm', 1, [1e6], 2), side('wasm', 1, [3e6], 0, 2), side('wasm', 1, [9e6], 0, 4)],
        side('new', 1, [7e6], 0, 2),
      ],
      flops,
    );
    t.same(
      all.map(({ overThreads, speedUp }) => [overThreads, speedUp]),
      [
        [1, 1],
        [1, 2],
        [0.25, 0.5],
        [0.75, 1.5],
        [null, 4.5],
        [null, null],
      ],
    );
    const shares = besidePeaks({ ...group, sides: all }, peaks, 4).sides.map(({ ofPeak }) => ofPeak);
    t.same(shares.slice(2, 5), [0.0625, 0.1875, 0.28125], 'of two, two and four cores');
    const { ratios } = peerResult({ name: 'other', version: '1', settings: '', advice: null }, [1e6], all);
    t.same(
      ratios.map(({ kernels, ranks, ratio }) => [kernels, ranks, ratio]).filter(([, ranks]) => ranks !== 0),
      [
        ['wasm', 2, 3],
        ['wasm', 4, 9],
        ['new', 2, 7],
      ],
    );
    t.end();
  },
);
