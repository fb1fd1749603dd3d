/** `--resume` as its users see it: stopped and gone on, finished, damaged, in use, and everything that is refused. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { train as library } from '../../scripts/index.ts';
import { type BadCase, holdRefused, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const base = t.testdir();
const data = writeTinyData(join(base, 'data'));
const train = ['train', ...tinyRecipe, '--data', data];
const checkpoint = (step: number) => join('checkpoints', `step-${String(step).padStart(9, '0')}.safetensors`);

/** Five epochs of four steps; the last seven checkpoints of every epoch and every third step. */
const whole = join(base, 'whole');
/** A step that is kept waits until it is, or the next might be kept in its place. */
async function saved(step: number): Promise<void> {
  while (!existsSync(join(whole, checkpoint(step)))) await new Promise((resolve) => setImmediate(resolve));
}
const { summary } = await library({
  model: tinyRecipe[1],
  batchSize: 16,
  epochs: 5,
  data,
  run: whole,
  checkpointEvery: 3,
  keep: 7,
  onStep: ({ step }) => (step % 3 === 0 && step % 4 !== 0 ? saved(step) : true),
  onEpoch: ({ steps }) => saved(steps),
});

/** A copy of the run, as it was before its end. */
function unfinished(folder: string, last = 18): string {
  cpSync(whole, folder, { recursive: true });
  for (const name of ['model.safetensors', 'best.safetensors']) rmSync(join(folder, name));
  for (const step of [16, 18, 20]) if (step > last) rmSync(join(folder, checkpoint(step)));
  return folder;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGUSR2', 140],
] as const) {
  t.test(`${signal} says how to go on, and what it says goes on to the same end`, async (t) => {
    if (!hasSignals(t)) return;
    const cwd = t.testdir();
    const long = [...train, '--epochs', '60', '--log', 'log'];
    const whole = jsonOf(await lockstep([...long, '--run', 'whole', '--json'], { cwd }));
    const args = [...long, '--run', 'a run', '--checkpoint-every', '1h', '--kernels', 'wasm'];
    // Where it stops is the machine's affair; that it can go on from there is not.
    const during = (child: ChildProcess) => whenShown(child.stdout, 'epoch  2/60', () => child.kill(signal));
    const stopped = await lockstep(args, { cwd, during });
    t.equal(stopped.code, code, `exit code ${code}`);
    const [, words] =
      /^to go on: npm exec --no -- lockstep (train --resume "a run" .*)$/m.exec(stopped.stdout) ?? [];
    t.equal(words, 'train --resume "a run" --threads 1 --kernels wasm --checkpoint-every 1h --log log');
    const again = words.split(' ').flatMap((word) => ({ '"a': ['a run'], 'run"': [] })[word] ?? [word]);
    const resumed = await lockstep([...again, '--json'], { cwd });
    t.equal(resumed.code, 0, resumed.stderr.slice(-300));
    const { weightsDigest, stateDigest, trainLoss } = whole;
    const now = jsonOf(resumed);
    t.match(now, { weightsDigest, stateDigest, trainLoss, steps: 240, stoppedBy: null });
    t.match(resumed.stderr, new RegExp(`^resumed at step ${now.resumedAtStep} \\(epoch \\d+\\)$`, 'm'));
    t.strictSame(loggedOf(join(cwd, 'a run')), loggedOf(join(cwd, 'whole')), 'and the log is the same');
    const secondLog = readFileSync(join(cwd, 'log'), 'utf8');
    t.equal(secondLog, readFileSync(join(cwd, 'a run', 'log.jsonl'), 'utf8'), 'so is the other one');
  });
}

t.test('a damaged checkpoint is refused aloud, and the one before it is taken', async (t) => {
  const cwd = t.testdir();
  unfinished(join(cwd, 'r'));
  const path = join(cwd, 'r', checkpoint(18));
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
  const result = await lockstep(['train', '--resume', 'r', '--json', '--threads', '3'], { cwd });
  t.equal(result.code, 0, result.stderr);
  t.match(
    result.stderr,
    /^lockstep: refused "r.checkpoints.step-000000018\.safetensors": .*SHA-256.*[0-9a-f]{12}….*altered$/m,
  );
  t.match(result.stderr, /^resumed at step 16 \(epoch 5\)$/m);
  const { weightsDigest, stateDigest } = summary;
  t.match(jsonOf(result), { weightsDigest, stateDigest, resumedAtStep: 16, stepsComputed: 4 });
  t.strictSame(loggedOf(join(cwd, 'r')), loggedOf(whole));
});

t.test('without a valid checkpoint it begins again at step 0, and says so', async (t) => {
  const cwd = t.testdir();
  unfinished(join(cwd, 'r'));
  const folder = join(cwd, 'r', 'checkpoints');
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'not a checkpoint');
  const result = await lockstep(['train', '--resume', 'r', '--json'], { cwd });
  t.equal(result.code, 0, result.stderr);
  t.equal(result.stderr.match(/^lockstep: refused /gm)?.length, 6, 'each is refused');
  t.match(result.stderr, /^no valid checkpoint in "r.checkpoints": from step 0$/m);
  const { weightsDigest, stateDigest } = summary;
  t.match(jsonOf(result), { weightsDigest, stateDigest, resumedAtStep: 0, stepsComputed: 20 });
  t.strictSame(loggedOf(join(cwd, 'r')), loggedOf(whole));
});

t.test(
  'a finished run gives its result, also where nothing can be written and the data is gone',
  async (t) => {
    const cwd = t.testdir();
    cpSync(whole, join(cwd, 'r'), { recursive: true });
    // Root may write there nevertheless; that nothing was written is looked at below.
    chmodSync(join(cwd, 'r'), 0o555);
    const before = readdirSync(join(cwd, 'r'));
    const result = await lockstep(['train', '--resume', 'r', '--data', data, '--json', '--out', 'm'], {
      cwd,
    });
    t.equal(result.code, 0, result.stderr);
    t.match(result.stderr, /^The run in "r" is finished; this is its result\.$/m);
    const { weightsDigest, stateDigest, recipeId, trainLoss, testLoss, testAccuracy, steps, epochs } =
      summary;
    const same = { weightsDigest, stateDigest, recipeId, trainLoss, testLoss, testAccuracy, steps, epochs };
    t.match(jsonOf(result), { ...same, resumedAtStep: 20, stepsComputed: 0, samplesPerSecond: null });
    t.ok(
      readFileSync(join(cwd, 'm')).equals(readFileSync(join(whole, 'model.safetensors'))),
      '--out is written',
    );
    t.strictSame(readdirSync(join(cwd, 'r')), before, 'nothing is written into the folder');
    chmodSync(join(cwd, 'r'), 0o755);
    t.match(await lockstep(['train', '--resume', 'r', '--epochs', '6'], { cwd }), {
      code: 2,
      stderr: /^lockstep: --epochs: got "6", expected "5" as the run began; /,
    });
  },
);

t.test('a run in a folder that is read-only cannot go on, and says so in one line', async (t) => {
  const cwd = t.testdir({ r: {} });
  const folder = join(cwd, 'r');
  const mount = (...args: string[]) => spawnSync('mount', args).status === 0;
  if (!mount('-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder)) {
    t.comment('NOT TESTED: a folder that is read-only for root, too, needs root and mount');
    return;
  }
  try {
    unfinished(folder);
    t.ok(mount('-o', 'remount,ro', folder));
    const result = await lockstep(['train', '--resume', 'r'], { cwd });
    t.equal(result.code, 1);
    t.match(
      result.stderr,
      /^lockstep: cannot write "r.lock-\S+" \(EROFS: read-only file system\); choose [^\n]+\n$/,
    );
    t.equal(result.stdout, '');
  } finally {
    spawnSync('umount', [folder]);
  }
});

t.test('a run of threads goes on with its door open, as if it had been so from the start', async (t) => {
  const cwd = t.testdir();
  unfinished(join(cwd, 'r'));
  const args = ['train', '--resume', 'r', '--threads', '2', '--listen', '127.0.0.1:0', '--json'];
  const result = await lockstep(args, { cwd });
  t.equal(result.code, 0, result.stderr);
  const { weightsDigest, stateDigest, chain } = summary;
  t.match(jsonOf(result), { weightsDigest, stateDigest, chain, resumedAtStep: 18, joins: 0, workers: 0 });
  t.strictSame(loggedOf(join(cwd, 'r')), loggedOf(whole));
});

t.test('the recipe may be said again, and the data may lie elsewhere', async (t) => {
  const cwd = t.testdir();
  unfinished(join(cwd, 'r'));
  cpSync(data, join(cwd, 'moved'), { recursive: true });
  const said = ['train', ...tinyRecipe, '--epochs', '5', '--train-samples', '60', '--data', 'moved'];
  const result = await lockstep([...said, '--resume', 'r', '--json'], { cwd });
  t.equal(result.code, 0, result.stderr);
  t.match(jsonOf(result), { weightsDigest: summary.weightsDigest, resumedAtStep: 18 });
});

t.test(
  'a folder that a living process has is refused, whose it is is said, and the process goes on',
  async (t) => {
    const cwd = t.testdir();
    let second: Promise<unknown> = Promise.resolve();
    const during = (child: ChildProcess) =>
      whenShown(child.stdout, 'epoch    2/9000', () => {
        second = lockstep(['train', '--resume', 'r'], { cwd }).then((result) => {
          t.equal(result.code, 2);
          const says = `^lockstep: --resume: "r" is in use by process ${child.pid} on \\S+ since \\d{4}-\\S+Z, expected`;
          t.match(result.stderr, new RegExp(says));
          t.equal(child.exitCode, null, 'it is at work');
          child.kill('SIGKILL');
        });
      });
    const first = await lockstep([...train, '--epochs', '9000', '--run', 'r'], { cwd, during });
    await second;
    t.equal(first.signal, 'SIGKILL');
    t.equal(
      readdirSync(join(cwd, 'r')).filter((name) => name.startsWith('lock-')).length,
      1,
      'its claim is left',
    );
  },
);

const bad = (flags: readonly string[], code: 1 | 2, says: RegExp, prepare?: BadCase['prepare']): BadCase => ({
  args: ['train', ...flags],
  code,
  says,
  ...(prepare && { prepare }),
});
/** The same on a run that could go on. */
const onRun = (flags: readonly string[], code: 1 | 2, says: RegExp, change = (_: string) => {}): BadCase =>
  bad(['--resume', 'r', ...flags], code, says, (folder) => change(unfinished(join(folder, 'r'))));
const write = (name: string, text: string) => (folder: string) => writeFileSync(join(folder, name), text);

t.test('what cannot be gone on with is refused, and nothing is changed', (t) =>
  holdRefused(t, {
    'no folder': bad(['--resume', 'nope'], 2, /--resume: there is no "nope", expected the folder of a run/),
    'a file': bad(['--resume', 'f'], 2, /--resume: "f" is no folder, expected the folder/, write('f', '')),
    'an empty folder': bad(['--resume', 'd'], 2, /--resume: "d" has no recipe\.json/, (folder) =>
      mkdirSync(join(folder, 'd')),
    ),
    'with --run': onRun(['--run', 'x'], 2, /--run: got it together with --resume, which says where/),
    'with --no-run': onRun(['--no-run'], 2, /--no-run: got it together with --resume/),
    'another recipe': onRun(['--seed', '7'], 2, /--seed: got "7", expected "0" as the run began/),
    'another model': onRun(
      ['--model', 'dense(10)'],
      2,
      /--model: got "dense\(10\)", expected "dense\(4\) batch/,
    ),
    'another built-in recipe': onRun(['note', '--data', data], 2, /recipe note: trainSamples: got 20000/),
    'early stopping': onRun(
      ['--early-stopping', 'testLoss'],
      2,
      /--early-stopping: got "testLoss", expected "nothing"/,
    ),
    'other data': onRun(
      ['--data', 'other'],
      1,
      /dataset: the data of .* has SHA-256 .*, expected/,
      (folder) => writeTinyData(join(folder, '..', 'other'), 7),
    ),
    'data that is gone': onRun(
      [],
      2,
      /there is no folder/,
      write('environment.json', '{"data":"/nowhere/at/all"}'),
    ),
    'another number to choose by': onRun(
      ['--monitor', 'testAccuracy'],
      2,
      /--monitor: got testAccuracy, expected testLoss/,
    ),
    'a recipe that is no JSON': onRun(
      [],
      1,
      /--resume: the recipe in "r.recipe\.json" cannot be used/,
      write('recipe.json', '{'),
    ),
    'a recipe that was altered': onRun([], 1, /epochs is another than in "r.checkpoints/, (folder) => {
      const path = join(folder, 'recipe.json');
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), epochs: 6 }));
    }),
    'flags that are out of range': onRun(['--keep', '1'], 2, /--keep: got "1", expected an integer from 2/),
    'checkpoints never': onRun(
      ['--checkpoint-every', '0'],
      2,
      /--checkpoint-every: got "0", expected a number of steps/,
    ),
    'checkpoints by a text': onRun(
      ['--checkpoint-every', '5 s'],
      2,
      /--checkpoint-every: got "5 s", expected/,
    ),
    'best by a number that there is not': onRun(
      ['--monitor', 'trainLoss'],
      2,
      /--monitor: got "trainLoss", .*test/,
    ),
    'checkpoints without a folder': bad(
      ['--no-run', '--keep', '3'],
      2,
      /--keep: got it together with --no-run/,
    ),
    'early stopping without sense': bad(
      ['--early-stopping', 'loss'],
      2,
      /--early-stopping: unknown name "loss"/,
    ),
  }),
);
