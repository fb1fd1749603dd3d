/** Tables for 80 columns, whatever is in them. */
import t from 'tap';
import { headLines, limitLines, missingLines, recipeLines } from '../../../scripts/bench/report.ts';
import { besidePeaks, type GroupResult, peerResult, sideResults } from '../../../scripts/bench/results.ts';
import { table } from '../../../scripts/table.ts';

const flops = { forward: 317_600, backward: 4000, update: 317_600 };
const limits = { peaks: { 'native:avx512': 183.4, wasm: 47.04 }, memory: { copy: 22.34 } };
const phases = {
  gather: 780e-6,
  forward: 86_840e-6,
  loss: 11.14e-6,
  exchange: 99.96e-6,
  backward: 0.04e-6,
  update: 139_210e-6,
  waiting: 0,
  other: 86.8e-6,
};

const step = {
  worker: { computing: 123_456e-6, rest: 3_456e-6 },
  coordinator: { merging: 99.96e-6, sending: 1234e-6, update: 210e-6, waiting: 122_346e-6 },
  ...{ bytesUp: 1_345_896, bytesDown: 672_966, gradients: 2, gradientBytes: 669_376 },
  ...{ besidesUp: 0.00534, besidesDown: 0.00536 },
};

function group(
  batchSize: number,
  workers: readonly number[] = [],
  ranks: readonly number[] = [],
): GroupResult {
  const readings = [1_234_567, 60_000, 12_345_678];
  const sets = ['native:avx512', 'wasm'].flatMap((kernels) => [
    ...[1, 16, 64].map((threads) => ({
      ...{ kernels, workers: 0, ranks: 0, threads, readings },
      ...{ phases: threads === 16 ? null : phases, step: null },
    })),
    ...workers.map((workers) => ({
      ...{ kernels, workers, ranks: 0, threads: 1, readings },
      ...{ phases: null, step },
    })),
    ...ranks.map((ranks) => ({
      ...{ kernels, workers: 0, ranks, threads: 1, readings: readings.map((one) => one / 2) },
      ...{ phases: null, step: null },
    })),
  ]);
  const sides = sideResults(sets, flops);
  const product = { layer: 'dense(200)', inputs: 784, outputs: 200, forward: 171.23, update: 99.5 };
  const names = ['PyTorch, 1 thread', 'PyTorch, DistributedDataParallel, 64 processes'];
  const measured = {
    recipe: 'note',
    model: 'dense(200) sigmoid batchnorm(epsilon=0.000001,scale=uniform) dense(10) affine',
    batchSize,
    flops,
    sides,
    products: [
      { ...product, kernels: 'native:avx512', backward: null },
      { ...product, kernels: 'wasm', backward: 50.04 },
    ],
    peers: names.map((name) =>
      peerResult(
        { name, version: '1.13', settings: 'so', advice: 'install another BLAS' },
        [1e6, 2e6],
        sides,
      ),
    ),
    failed: [
      {
        name: 'NumPy, 1 thread',
        reason: 'it computes something else, and says so in many more words than fit',
      },
    ],
  };
  return besidePeaks(measured, limits.peaks, 16);
}

const lines = recipeLines([group(64), group(65_536)], limits, 16);

t.test('no line is wider than 80 columns, and none ends with a space', (t) => {
  for (const line of [...lines, ...limitLines(limits)]) {
    t.ok(line.length <= 80 && line === line.trimEnd(), `${line.length}: ${line}`);
  }
  t.end();
});

t.test('speeds: the median, how far the rounds lie apart, the speed-up, the share of the peak', (t) => {
  const row = lines.find((line) => line.includes('native:avx512') && line.includes(' 64 '));
  t.equal(row?.trim().replace(/ +/g, ' '), '64 native:avx512 1 1,234,567 498 % 1.00 789.1 430 %');
  t.end();
});

t.test('what shares are of is said', (t) => {
  const at = lines.findIndex((line) => line.startsWith('of peak: '));
  const said =
    'of peak: GFLOP/s of one thread (native:avx512 183.4, wasm 47.0) times threads, at most 16 cores';
  t.equal(lines.slice(at, lines.indexOf('', at)).join(' '), said);
  t.end();
});

t.test('phases in microseconds, three digits, where they were measured', (t) => {
  const at = lines.findIndex((line) => line.includes('A step by phase'));
  const rows = lines.slice(at + 2, lines.indexOf('', at) - 1);
  t.equal(rows.length, 8, 'two sets of kernels, two numbers of threads, two batch sizes');
  t.equal(rows[0].trim().replace(/ +/g, ' '), '64 native:avx512 1 780 86840 11.1 100 0.0 139210 0.0 86.8');
  t.match(lines[lines.indexOf('', at) - 1], /^n: threads; update: the gradients of the weights too/);
  t.end();
});

t.test('with workers: rows of their own, where a step goes at both ends, and what travels', (t) => {
  const found = recipeLines([group(64, [2, 64]), group(65_536, [2, 64])], limits, 16);
  for (const line of found) t.ok(line.length <= 80 && line === line.trimEnd(), `${line.length}: ${line}`);
  const narrow = found.map((line) => line.trim().replace(/ +/g, ' '));
  t.ok(narrow.includes('64 native:avx512 64 workers 1,234,567 498 % 1.00 789.1 27 %'));
  const at = narrow.findIndex((line) => line.startsWith('A step with workers'));
  t.equal(narrow[at + 2], '64 avx512 2 123456 3456 100 1234 210 122346 1345.9 673.0');
  const notes = narrow.slice(at + 10, narrow.indexOf('', at)).join(' ');
  t.match(notes, 'at most 0.53 % up and 0.54 % down is not gradients and their totals');
  const text = narrow.slice(narrow.findIndex((line) => line.includes('over others'))).join(' ');
  t.match(text, 'Lockstep (kernels, threads, w: workers) over others');
  t.same(text.match(/(avx512|wasm) \d+w?\b/g), [
    ...['avx512 1', 'avx512 64', 'avx512 2w', 'avx512 64w'],
    ...['wasm 1', 'wasm 64', 'wasm 2w', 'wasm 64w'],
  ]);
  t.notMatch(lines.join(), /with workers|w: workers/, 'nothing of it without workers');
  t.end();
});

t.test('with ranks: rows of their own, beside as many threads and beside others', (t) => {
  const found = recipeLines([group(64, [], [2, 64]), group(65_536, [], [2, 64])], limits, 16);
  for (const line of found) t.ok(line.length <= 80 && line === line.trimEnd(), `${line.length}: ${line}`);
  const narrow = found.map((line) => line.trim().replace(/ +/g, ' '));
  t.ok(narrow.includes('64 native:avx512 64 ranks 617,284 498 % 0.50 394.6 13 %'));
  const at = narrow.findIndex((line) => line.startsWith('Processes of one thread each'));
  t.same(narrow.slice(at + 2, narrow.indexOf('', at)), [
    '64 native:avx512 64 ranks 0.50',
    '64 wasm 64 ranks 0.50',
    '65536 native:avx512 64 ranks 0.50',
    '65536 wasm 64 ranks 0.50',
  ]);
  const text = narrow.slice(narrow.findIndex((line) => line.includes('over others'))).join(' ');
  t.match(text, 'Lockstep (kernels, threads, r: ranks) over others');
  t.same(text.match(/(avx512|wasm) \d+r\b/g), ['avx512 2r', 'avx512 64r', 'wasm 2r', 'wasm 64r']);
  t.notMatch(lines.join(), /ranks|Processes/, 'nothing of it without ranks');
  const both = recipeLines([group(64, [2], [2])], limits, 16).join('\n');
  t.match(both, 'Lockstep (kernels, threads, w: workers, r: ranks) over others');
  t.end();
});

t.test('one round says nothing about how far rounds lie apart', (t) => {
  const { sides, ...rest } = group(64);
  const once = { ...rest, sides: sides.map((side) => ({ ...side, spread: 0, readings: [1_234_567] })) };
  const row = recipeLines([once], limits, 16).find((line) => line.includes('native:avx512'));
  t.match(row?.replace(/ +/g, ' '), '1,234,567 – 1.00');
  t.end();
});

t.test('products beside the peak, where there is one', (t) => {
  const text = lines.join('\n').replace(/ +/g, ' ');
  t.match(text, '784 → 200 native:avx512 171.2 ( 93 %) – 99.5 ( 54 %)');
  t.match(text, '784 → 200 wasm 171.2 (364 %) 50.0 (106 %) 99.5 (212 %)');
  t.end();
});

t.test('ratios of every side at the ends, in as many tables as they need', (t) => {
  const from = lines.findIndex((line) => line.includes('over others'));
  const rows = lines.slice(from + 1);
  const titles = rows.filter((line) => line.includes('peer'));
  t.same(
    titles.flatMap((line) => line.match(/(avx512|wasm) \d+/g)),
    ['avx512 1', 'avx512 64', 'wasm 1', 'wasm 64'],
  );
  t.ok(rows.some((line) => / PyTorch, 1 thread +1,500,000 +0\.82/.test(line)));
  t.equal(rows.filter((line) => line === 'PyTorch: install another BLAS').length, 1, 'advice is given once');
  const without = recipeLines([{ ...group(64), peers: [] }], limits, 16).join('\n');
  t.notMatch(without, 'over others');
  for (const text of [without, lines.join('\n')]) {
    t.match(text, /Not measured at batch 64: NumPy, 1 thread; it computes/, 'what failed is said');
  }
  t.end();
});

t.test('limits, the machine, and what is missing', (t) => {
  const text = limitLines(limits).join('\n');
  t.match(text, /fused multiply-adds, native:avx512 +183\.4 GFLOP\/s\n/);
  t.match(text, /fused multiply-adds, wasm +47\.0 GFLOP\/s\n/);
  t.match(text, /memory, copied \(read \+ written\) +22\.3 GB\/s/);
  t.notMatch(text, 'memory, read');
  const machine = { node: '24.1.0', platform: 'linux x64', processor: 'Some Processor', cores: 2 };
  t.same(headLines({ version: '1.2.3', machine }), [
    'Lockstep 1.2.3, Node 24.1.0, linux x64, 2 cores',
    'Some Processor',
  ]);
  t.same(missingLines([]), []);
  const reason = 'no @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm in .bench';
  const install = 'npm install --prefix .bench @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0';
  t.same(
    missingLines([
      { name: 'NumPy', reason: 'python3 has none', install: 'pip install numpy' },
      { name: 'TensorFlow.js', reason, install },
    ]),
    [
      'Not here, and how it would be:',
      '  NumPy: python3 has none',
      '    pip install numpy',
      '  TensorFlow.js: no @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm in .bench',
      '    npm install --prefix .bench @tensorflow/tfjs@4.22.0 \\',
      '    @tensorflow/tfjs-backend-wasm@4.22.0',
    ],
  );
  t.end();
});

t.test('a table has air where there is room', (t) => {
  const columns = [
    { title: 'a', align: 'left' },
    { title: 'b', align: 'right' },
  ] as const;
  t.same(
    table(columns, [
      ['long', '1'],
      ['x', '22'],
    ]),
    ['  a      b', '  long   1', '  x     22'],
  );
  t.same(table(columns, [['long', '1']], 8), ['a    b', 'long 1']);
  t.same(table([{ title: '', align: 'left' }], [['x']]), ['  x'], 'no titles, no line for them');
  t.end();
});
