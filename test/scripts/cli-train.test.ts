/** `lockstep train` as scripts use it: what it prints, what it writes, and that how it is run changes no bit. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runnableKernels } from '../../shared/kernels/load.ts';
import { everythingBelow, type Finished, jsonLines, jsonOf, lockstep } from '../helpers/cli.ts';
import { tinyRecipe, tinyTest, tinyTrain, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const data = writeTinyData(join(t.testdir(), 'data'));
/** Two epochs of four steps, the last of twelve samples. */
const train = ['train', ...tinyRecipe, '--epochs', '2', '--data', data];
const steps = 8;

function done(t: Test, { code, stderr }: Finished): void {
  t.equal(code, 0, `exit code 0 ${stderr.trimEnd()}`);
}

t.test('--json: one object with all fields as the last line of stdout, all else on stderr', async (t) => {
  const cwd = t.testdir();
  const result = await lockstep([...train, '--threads', '2', '--json'], { cwd });
  done(t, result);
  t.equal(result.stdout.split('\n').length, 2, 'nothing else on stdout');
  t.match(result.stderr, /epoch 2\/2/, 'the lines for people are on stderr');
  const summary = jsonOf(result);
  const digest = /^[0-9a-f]{64}$/;
  t.match(summary, {
    recipeId: digest,
    weightsDigest: digest,
    stateDigest: digest,
    epochs: 2,
    steps,
    trainLoss: [Number, Number],
    testLoss: Number,
    testAccuracy: Number,
    seconds: Number,
    threads: 2,
    workers: 0,
    kernels: /^(native:[a-z0-9]+|wasm|exact)$/,
    samplesPerSecond: Number,
    work: [
      { name: 'thread 0', threads: 1, shards: Number, seconds: Number },
      { name: 'thread 1', threads: 1, shards: Number, seconds: Number },
    ],
    resumedAtStep: null,
    stepsComputed: steps,
    shardsRecomputed: 0,
    deaths: 0,
    joins: 0,
    stoppedBy: null,
    run: /^runs[/\\]\d{4}-\d\d-\d\d-custom-[0-9a-f]{8}$/,
  });
  t.equal(summary.model, join(String(summary.run), 'model.safetensors'));
  const accuracy = Number(summary.testAccuracy);
  t.ok(
    Number.isInteger(Math.round(accuracy * tinyTest * 1e9) / 1e9) && accuracy <= 1,
    'a share of the test set',
  );
  const losses = summary.trainLoss as number[];
  t.ok(losses[1] < losses[0], `it learns: ${losses.join(' → ')}`);
});

t.test('--quiet prints nothing; without a terminal there are no control characters', async (t) => {
  const quiet = await lockstep([...train, '--quiet'], { cwd: t.testdir() });
  done(t, quiet);
  t.equal(quiet.stdout + quiet.stderr, '');
  const both = await lockstep([...train, '--quiet', '--json', '--no-run'], { cwd: t.testdir() });
  t.equal(both.stderr, '', '--json --quiet prints the object alone');
  t.equal(jsonOf(both).steps, steps);
  const plain = await lockstep(train, { cwd: t.testdir(), environment: { FORCE_COLOR: '1' } });
  done(t, plain);
  t.equal(plain.stderr, '', 'nothing on stderr when all is well');
  t.notMatch(plain.stdout.replaceAll('\n', ''), /\p{Cc}/u);
  t.match(
    plain.stdout,
    /^epoch 1\/2 {2}loss \d\.\d{4} {11}test +\d+\.\d\d % +\d+\.\d s +[\d,]+ samples\/s$/m,
  );
  t.match(plain.stdout, /^weights digest {2}[0-9a-f]{64}$/m);
  for (const line of plain.stdout.split('\n')) {
    t.ok(line.length <= 80 || line.includes('npm exec'), `fits 80 columns: ${line}`);
  }
});

t.test('the model: --out and the run folder alike; its data section has the digest', async (t) => {
  const cwd = t.testdir();
  const out = join('new', 'folder', 'out.safetensors');
  const result = await lockstep([...train, '--out', out, '--run', 'r', '--json'], { cwd });
  done(t, result);
  const { weightsDigest, model, run } = jsonOf(result);
  t.equal(model, out);
  t.equal(run, 'r');
  // The first epoch's checkpoint is there, too, if it was written before the second one's came.
  const written = everythingBelow(join(cwd, 'r')).filter((name) => !name.includes('step-000000004'));
  t.same(written, [
    'best.safetensors',
    'chain',
    'checkpoints',
    'checkpoints/step-000000008.safetensors',
    'environment.json',
    'log.jsonl',
    'model.safetensors',
    'recipe.json',
  ]);
  const file = readFileSync(join(cwd, out));
  t.ok(file.equals(readFileSync(join(cwd, 'r', 'model.safetensors'))), 'the same bytes in both places');
  const dataSection = file.subarray(8 + Number(file.readBigUInt64LE(0)));
  t.equal(
    createHash('sha256').update(dataSection).digest('hex'),
    weightsDigest,
    'without the header: the digest',
  );
  const again = await lockstep([...train, '--run', 'r'], { cwd });
  t.equal(again.code, 2, 'a used folder is refused');
  const evaluated = jsonOf(await lockstep(['evaluate', 'r', '--data', data, '--json'], { cwd }));
  const { testLoss, testAccuracy, recipeId } = jsonOf(result);
  t.match(evaluated, { weightsDigest, testLoss, testAccuracy, recipeId, samples: tinyTest });
  const inspected = jsonOf(await lockstep(['inspect', out, '--json'], { cwd }));
  t.match(inspected, {
    weightsDigest,
    recipeId,
    recipe: { epochs: 2, batchSize: 16 },
    layers: { length: 4 },
  });
});

t.test('every run gets a folder of its own; --no-run makes none', async (t) => {
  const cwd = t.testdir();
  const folders = [];
  for (let i = 0; i < 3; i++) folders.push(jsonOf(await lockstep([...train, '--json'], { cwd })).run);
  t.same(folders, [folders[0], `${folders[0]}-2`, `${folders[0]}-3`]);
  const other = t.testdir();
  done(t, await lockstep([...train, '--no-run'], { cwd: other }));
  done(t, await lockstep(train, { cwd: other, environment: { LOCKSTEP_NO_RUN: '1' } }));
  done(t, await lockstep([...train, '--no-run'], { cwd: other, environment: { LOCKSTEP_RUN: 'r' } }));
  t.same(everythingBelow(other), [], 'the flag goes over the variable, too');
  done(t, await lockstep([...train, '--run', 'r'], { cwd: other, environment: { LOCKSTEP_NO_RUN: '1' } }));
  t.ok(everythingBelow(other).includes('r'), 'and the other way round');
});

t.test('the log: a line per step with the true number of samples, a line per epoch', async (t) => {
  const cwd = t.testdir();
  const result = await lockstep([...train, '--log', 'l.jsonl', '--run', 'r', '--json'], { cwd });
  const lines = jsonLines(join(cwd, 'l.jsonl'));
  t.same(lines, jsonLines(join(cwd, 'r', 'log.jsonl')), 'the run folder has the same');
  const stepLines = lines.filter((line) => 'samples' in line);
  t.same(
    stepLines.map(({ epoch, step, samples }) => [epoch, step, samples]),
    Array.from({ length: steps }, (_, i) => [i < 4 ? 1 : 2, i + 1, i % 4 === 3 ? tinyTrain - 48 : 16]),
  );
  const fields = ['epoch', 'step', 'samples', 'loss', 'accuracy', 'seconds'];
  for (const line of stepLines) {
    t.same(Object.keys(line), fields);
    const right = Number(line.accuracy) * Number(line.samples);
    t.ok(Number.isInteger(right) && right >= 0 && right <= Number(line.samples), `${right} right`);
  }
  const epochLines = lines.filter((line) => 'testLoss' in line);
  t.same(
    epochLines.map(({ epoch, steps: until }) => [epoch, until]),
    [
      [1, 4],
      [2, 8],
    ],
  );
  t.same(
    epochLines.map(({ loss }) => loss),
    jsonOf(result).trainLoss,
  );
  const sum = stepLines
    .slice(4)
    .reduce((total, { loss, samples }) => total + Number(loss) * Number(samples), 0);
  t.equal(epochLines[1].loss, sum / tinyTrain, 'the epoch is the average of its samples');
  t.equal(lines.indexOf(epochLines[0]), 4, 'in the order of time');
});

t.test(
  'how it is run changes no bit: threads, kernels, and the recipe that the run wrote down',
  async (t) => {
    const cwd = t.testdir();
    const first = jsonOf(await lockstep([...train, '--run', 'r', '--json', '--threads', '1'], { cwd }));
    const recipe = JSON.parse(readFileSync(join(cwd, 'r', 'recipe.json'), 'utf8'));
    t.equal(
      createHash('sha256').update(JSON.stringify(recipe)).digest('hex'),
      first.recipeId,
      'its hash is its id',
    );
    const ways: Record<string, string[]> = {
      '3 threads': [...train, '--threads', '3'],
      ...Object.fromEntries(runnableKernels().map((set) => [`${set} kernels`, [...train, '--kernels', set]])),
      '8 threads, exact kernels': [...train, '--threads', '8', '--kernels', 'exact'],
      'the recipe of the run folder': ['train', join('r', 'recipe.json'), '--data', data],
    };
    for (const [way, args] of Object.entries(ways)) {
      const { recipeId, weightsDigest, stateDigest, chain } = jsonOf(
        await lockstep([...args, '--no-run', '--json'], { cwd }),
      );
      t.match(first, { recipeId, weightsDigest, stateDigest, chain }, way);
    }
    const seeded = jsonOf(await lockstep([...train, '--seed', '1', '--no-run', '--json'], { cwd }));
    t.not(seeded.weightsDigest, first.weightsDigest, 'another seed gives other bits');
  },
);

t.test('--epochs 0 writes the initial model, and --init goes on from a file', async (t) => {
  const cwd = t.testdir();
  const initial = jsonOf(
    await lockstep([...train, '--epochs', '0', '--out', 'i.safetensors', '--no-run', '--json'], { cwd }),
  );
  t.match(initial, { epochs: 0, steps: 0, trainLoss: [], samplesPerSecond: null, stepsComputed: 0 });
  const straight = jsonOf(await lockstep([...train, '--no-run', '--json'], { cwd }));
  const args = [...train, '--init', 'i.safetensors', '--run', 'r', '--json'];
  const from = jsonOf(await lockstep(args, { cwd }));
  const recipe = JSON.parse(readFileSync(join(cwd, 'r', 'recipe.json'), 'utf8'));
  t.equal(recipe.init, `sha256:${initial.weightsDigest}`, 'the recipe names the weights, not the path');
  t.equal(from.weightsDigest, straight.weightsDigest, 'from the initial model it is the same training');
  t.not(from.recipeId, straight.recipeId);
  const further = jsonOf(await lockstep([...train, '--init', 'r', '--no-run', '--json'], { cwd }));
  t.not(further.weightsDigest, from.weightsDigest);
  t.ok((further.trainLoss as number[])[0] < (from.trainLoss as number[])[1], 'what was learnt is kept');
});

t.test('flags over environment over file over defaults, and variables of other commands', async (t) => {
  const cwd = t.testdir();
  writeFileSync(join(cwd, 'r.json'), JSON.stringify({ model: 'dense(10)', epochs: 3, batchSize: 30, data }));
  const environment = {
    LOCKSTEP_EPOCHS: '2',
    LOCKSTEP_BATCH_SIZE: '20',
    LOCKSTEP_TOKEN: 'a token of another command',
    LOCKSTEP_FINGERPRINT: 'of another command',
    LOCKSTEP_WORKERS: 'many',
    LOCKSTEP_THREADS: '2',
  };
  const result = await lockstep(['train', 'r.json', '--epochs', '1', '--no-run', '--json'], {
    cwd,
    environment,
  });
  done(t, result);
  t.match(jsonOf(result), { epochs: 1, steps: 3, threads: 2 }, '1 by flag, 20 by environment');
  t.match(jsonOf(await lockstep(['train', 'r.json', '--no-run', '--json'], { cwd })), {
    epochs: 3,
    steps: 6,
  });
});
