/** `lockstep bench` as a process: tables, JSON, what it refuses, and how it is interrupted. */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type BadCase, everythingBelow, holdRefused, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
/** A recipe in a file, of a run on other data even: all that bench needs of it are its layers and rates. */
const recipe = {
  model: 'dense(4) batchnorm relu dense(10)',
  data,
  dataset: '0'.repeat(64),
  init: `sha256:${'0'.repeat(64)}`,
  trainSamples: 50,
  batchSize: 16,
  shardSize: 3,
};
const short = ['--seconds', '0.01', '--rounds', '1'];

function folderWithRecipe(t: Test): string {
  const cwd = t.testdir();
  writeFileSync(join(cwd, 'tiny.json'), JSON.stringify(recipe));
  return cwd;
}

t.test('everything that was asked for is in the JSON, and nothing is left behind', async (t) => {
  const cwd = folderWithRecipe(t);
  const args = ['--batch-size', '64,16', '--threads', '2,1', '--kernels', 'exact,auto,exact', '--json'];
  const result = await lockstep(['bench', 'tiny.json', ...short, ...args], { cwd });
  t.equal(result.code, 0, result.stderr);
  t.equal(result.stdout.trimEnd().split('\n').length, 1, 'only JSON on stdout');
  const found = jsonOf(result) as {
    groups: Record<string, unknown>[];
    limits: { peaks: Record<string, number> };
    machine: { cores: number };
  };
  t.match(found, {
    version: String,
    machine: { node: process.versions.node, cores: Number },
    rounds: 1,
    seconds: 0.01,
    limits: { memory: { copy: Number } },
    missing: [],
  });
  t.match(
    found.groups.map(({ recipe, batchSize }) => [recipe, batchSize]),
    [
      ['tiny', 64],
      ['tiny', 16],
    ],
  );
  const sets = Object.keys(found.limits.peaks);
  t.equal(sets[0], 'exact', 'in the order in which they were named');
  for (const { sides, products, flops, peers } of found.groups) {
    const rows = sides as {
      kernels: string;
      threads: number;
      readings: number[];
      samplesPerSecond: number;
      gflops: number;
      ofPeak: number;
    }[];
    t.same(
      rows.map(({ kernels, threads }) => [kernels, threads]),
      sets.flatMap((set) => [
        [set, 1],
        [set, 2],
      ]),
    );
    t.ok(rows.every(({ readings, samplesPerSecond }) => readings.length === 1 && samplesPerSecond > 0));
    const { peaks } = found.limits;
    for (const { kernels, threads, gflops, ofPeak } of rows) {
      const peak = Math.min(threads, found.machine.cores) * peaks[kernels];
      t.equal(ofPeak, gflops / peak, 'a share of the peak that is in the JSON');
    }
    for (const { kernels, peak } of products as { kernels: string; peak: number }[]) {
      t.equal(peak, peaks[kernels], 'and so are those of products');
    }
    t.same(flops, { forward: 2 * (784 * 4 + 40), backward: 80, update: 2 * (784 * 4 + 40) });
    t.equal((products as unknown[]).length, 2 * sets.length);
    t.same(peers, []);
  }
  t.match(
    result.stderr,
    /Measuring tiny with batches of 64 and 16, 1 and 2 threads, [\s\S]*,\s1\sround\sof[\s\S]*: about\s0:\d\d\sin\sall/,
  );
  t.match(result.stderr, 'A step by phase', 'the tables are on stderr');
  t.same(everythingBelow(cwd), ['tiny.json']);
});

t.test(
  'without --json the tables are on stdout, in 80 columns; flags come from the environment too',
  async (t) => {
    // Those that train has too are shared; of a field of the recipe that bench has no flag for, nothing is read.
    const environment = { LOCKSTEP_THREADS: '1', LOCKSTEP_BATCH_SIZE: '64', LOCKSTEP_EPOCHS: '3' };
    const cwd = folderWithRecipe(t);
    const { code, stdout, stderr } = await lockstep(['bench', 'tiny.json', ...short], { cwd, environment });
    t.equal(code, 0, stderr);
    t.match(stdout, /^Lockstep \d/);
    t.match(stdout, 'tiny: dense(4) batchnorm relu dense(10)');
    t.notMatch(stdout, / 2 threads/);
    for (const line of stdout.split('\n').slice(2)) t.ok(line.length <= 80, line);
  },
);

t.test('--quiet --json prints JSON alone', async (t) => {
  const args = ['--batch-size', '64', '--threads', '1', '--json', '--quiet'];
  const result = await lockstep(['bench', 'tiny.json', ...short, ...args], { cwd: folderWithRecipe(t) });
  t.match(result, { code: 0, stderr: '' });
  t.ok(Array.isArray(jsonOf(result).groups));
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  t.test(
    `${signal} ends it after the turn, with nothing on stdout but what was found: ${code}`,
    async (t) => {
      if (!hasSignals(t)) return;
      const during = (child: ChildProcess) =>
        whenShown(child.stderr, 'Measuring', () =>
          whenShown(child.stderr, 'limits of', () => child.kill(signal)),
        );
      const args = ['--batch-size', '64', '--threads', '2', '--rounds', '1000', '--json'];
      const result = await lockstep(['bench', 'tiny.json', ...args], { cwd: folderWithRecipe(t), during });
      t.match(result, { code, signal: null, stdout: '' });
      t.match(result.stderr, `${signal}: ending after this turn`);
    },
  );
}

const bad = (flags: readonly string[], says: RegExp, more: Partial<BadCase> = {}): BadCase => ({
  args: ['bench', ...flags],
  code: 2,
  says,
  ...more,
});

t.test('what it refuses', (t) =>
  holdRefused(t, {
    'an unknown recipe': bad(['nota'], /recipe: got "nota", .* did you mean "note"\?/),
    'no batch': bad(['--batch-size', '0'], /--batch-size: got 0, expected an integer ≥ 1/),
    'too large a batch': bad(
      ['--batch-size', '65537'],
      /--batch-size: got 65537, expected an integer from 1 to 65536/,
    ),
    'half a list': bad(['--batch-size', '64,'], /--batch-size: got "", expected an integer ≥ 1/),
    'a list of something': bad(['--batch-size', '64,x'], /--batch-size: got "x", expected an integer/),
    'too many threads': bad(
      ['--threads', '1,1025'],
      /--threads: got "1025", expected an integer from 1 to 1024/,
    ),
    'threads from the environment': bad([], /LOCKSTEP_THREADS: got "0"/, {
      environment: { LOCKSTEP_THREADS: '0' },
    }),
    'unknown kernels': bad(['--kernels', 'wasm,wsam'], /--kernels: got "wsam", did you mean "wasm"\?/),
    'no time': bad(['--seconds', '0'], /--seconds: got "0", expected a number > 0 and ≤ 600/),
    'no rounds': bad(['--rounds', '0.5'], /--rounds: got "0\.5", expected an integer from 1 to 1000/),
    'a flag of train': bad(['--epochs', '3'], /unknown flag "--epochs"/),
    'data that are not there': bad(['r.json'], /r\.json: data: got "nowhere", but there is no folder/, {
      prepare: (folder) =>
        writeFileSync(join(folder, 'r.json'), JSON.stringify({ ...recipe, data: 'nowhere' })),
    }),
    'a recipe with a mistake': bad(['r.json'], /r\.json: epoch: unknown recipe field "epoch"/, {
      prepare: (folder) => writeFileSync(join(folder, 'r.json'), JSON.stringify({ ...recipe, epoch: 3 })),
    }),
  }),
);
