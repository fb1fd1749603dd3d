/** `--resume` of runs that are at their end, and of those that were stopped: what is in the folder is the result, or is not there. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { train as library, loadModel } from '../../scripts/index.ts';
import { jsonOf, lockstep } from '../helpers/cli.ts';
import { tinyPixels, tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const base = t.testdir();
const data = writeTinyData(join(base, 'data'));
const fields = { model: tinyRecipe[1], batchSize: 16, epochs: 3, data, threads: 1 } as const;
const whole = join(base, 'whole');
const { summary } = await library({ ...fields, run: whole });
const checkpointOf = (folder: string, step: number) =>
  join(folder, 'checkpoints', `step-00000000${step}.safetensors`);
/** Stopped in the middle of its second epoch. */
const stopped = join(base, 'stopped');
await library({
  ...{ ...fields, run: stopped, onStep: ({ step }: { step: number }) => step < 6 },
  // One that is kept waits until it is, or the next might be kept in its place.
  onEpoch: async () => {
    while (!existsSync(checkpointOf(stopped, 4))) await new Promise((resolve) => setImmediate(resolve));
  },
});
const modelOf = (folder: string) => join(folder, 'model.safetensors');

t.test('a finished run whose folder has another model gets its own back', async (t) => {
  const cwd = t.testdir();
  const own = modelOf(join(cwd, 'r'));
  for (const [name, bytes] of [
    ['another model', readFileSync(checkpointOf(stopped, 6))],
    ['no model', Buffer.from('nothing')],
  ] as const) {
    cpSync(whole, join(cwd, 'r'), { recursive: true });
    writeFileSync(own, bytes);
    const result = await lockstep(['train', '--resume', 'r', '--json'], { cwd });
    t.equal(result.code, 0, result.stderr);
    t.ok(readFileSync(own).equals(readFileSync(modelOf(whole))), name);
  }
});

t.test('a finished run gives its log again', async (t) => {
  const cwd = t.testdir();
  const result = await lockstep(['train', '--resume', whole, '--log', 'x/x.jsonl', '--quiet'], { cwd });
  t.equal(result.code, 0, result.stderr);
  t.ok(readFileSync(join(cwd, 'x', 'x.jsonl')).equals(readFileSync(join(whole, 'log.jsonl'))));
});

t.test('a run that was stopped has no model that could grow old, its newest checkpoint is it', (t) => {
  t.notOk(existsSync(modelOf(stopped)));
  const newest = checkpointOf(stopped, 6);
  t.equal(loadModel(stopped).weightsDigest, loadModel(newest).weightsDigest);
  t.end();
});

t.test('a model without further training is evaluated again', async (t) => {
  const cwd = t.testdir();
  const args = ['train', ...tinyRecipe, '--data', data, '--init', modelOf(whole), '--epochs', '0'];
  const first = jsonOf(await lockstep([...args, '--run', 'r', '--json', '--quiet'], { cwd }));
  const result = await lockstep(['train', '--resume', 'r', '--json', '--quiet'], { cwd });
  t.equal(result.code, 0, result.stderr);
  const { weightsDigest, stateDigest, testLoss, testAccuracy } = first;
  t.equal(testLoss, summary.testLoss);
  t.match(jsonOf(result), { weightsDigest, stateDigest, testLoss, testAccuracy, stepsComputed: 0 });
});

t.test(
  'a refused checkpoint is told of also where nothing else is, and a best model that was lost comes back',
  async (t) => {
    const cwd = t.testdir();
    cpSync(stopped, join(cwd, 'r'), { recursive: true });
    const path = checkpointOf('r', 6);
    writeFileSync(join(cwd, path), 'damaged');
    rmSync(join(cwd, 'r', 'best.safetensors'));
    const result = await lockstep(['train', '--resume', 'r', '--json', '--quiet'], { cwd });
    t.equal(result.code, 0, result.stderr);
    t.match(result.stderr, /^lockstep: refused "r.checkpoints.step-000000006\.safetensors": [^\n]+\n$/);
    const { refused, resumedAtStep, weightsDigest } = jsonOf(result);
    t.equal(resumedAtStep, 4, 'the end of the first epoch, whose model it is');
    t.match(refused, [{ path, reason: /step-000000006/ }]);
    t.equal(weightsDigest, summary.weightsDigest);
    for (const name of ['best.safetensors', 'model.safetensors'])
      t.ok(readFileSync(join(cwd, 'r', name)).equals(readFileSync(join(whole, name))), name);
  },
);

t.test('a finished run gives its result also where its data was in memory', async (t) => {
  const run = join(t.testdir(), 'r');
  const split = (samples: number) => {
    const { pixels, digits } = tinyPixels(samples);
    return { images: pixels, labels: digits };
  };
  const memory = { train: split(60), test: split(20) };
  const kept = await library({ ...fields, data: memory, run });
  const result = await lockstep(['train', '--resume', run], { cwd: base });
  t.equal(result.code, 0, result.stderr);
  t.match(result.stdout, kept.summary.weightsDigest);
  t.match(result.stdout, / --data DIR$/m, 'what can be done with it needs files');
  const open = join(run, '..', 'open');
  await library({ ...fields, data: memory, run: open, onStep: () => false });
  t.match(await lockstep(['train', '--resume', open], { cwd: base }), {
    code: 2,
    stderr: /^lockstep: --data: the run was trained on data in memory, expected files with the same data/,
  });
});
