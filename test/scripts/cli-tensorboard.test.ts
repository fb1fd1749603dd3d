/** `--tensorboard`: what a run leaves for TensorBoard, against its log. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { jsonLines, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { shownOf } from '../helpers/event-files.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);
const data = writeTinyData(join(t.testdir(), 'data'));

type Logged = Record<
  'step' | 'samples' | 'loss' | 'accuracy' | 'steps' | 'testLoss' | 'testAccuracy',
  number
>;

/** Holds that the curves of a folder are those of a log: the points of steps as averages, the epochs to the bit. */
function holdLike(t: Test, folder: string, log: string): void {
  const lines = jsonLines(log) as Logged[];
  const steps = lines.filter((line) => 'samples' in line);
  const epochs = lines.filter((line) => 'testLoss' in line);
  const shown = shownOf(folder);
  const scalarsOf = (tag: string) =>
    (shown.get(tag) ?? []).map(({ step, content }) => ({ step, value: Number(content[0]) }));
  for (const name of ['loss', 'accuracy'] as const) {
    const points = scalarsOf(`train/${name}`);
    t.equal(points.at(-1)?.step, steps.at(-1)?.step, `${name}: up to the last step`);
    for (const [i, { step, value }] of points.entries()) {
      const own = steps.filter((line) => line.step <= step && line.step > (points[i - 1]?.step ?? 0));
      const samples = own.reduce((sum, line) => sum + line.samples, 0);
      const mean = own.reduce((sum, line) => sum + line[name] * line.samples, 0) / samples;
      t.equal(value, Math.fround(mean), `${name} until step ${step}: the average of ${own.length} steps`);
    }
  }
  const tested = [
    ['loss', 'testLoss'],
    ['accuracy', 'testAccuracy'],
  ] as const;
  for (const [name, field] of tested) {
    t.same(
      scalarsOf(`epoch/test_${name}`),
      epochs.map((line) => ({ step: line.steps, value: Math.fround(line[field]) })),
    );
  }
  const lastSteps = epochs.map((line) => line.steps);
  for (const tag of ['batch_norm/1.running_mean', 'batch_norm/1.running_var']) {
    t.same(
      shown.get(tag)?.map(({ step }) => step),
      lastSteps,
      `${tag} with every epoch`,
    );
  }
}

t.test('curves are those of the log, and change no bit', async (t) => {
  const cwd = t.testdir();
  const train = ['train', ...tinyRecipe, '--data', data, '--epochs', '3', '--json'];
  const plain = jsonOf(await lockstep([...train, '--no-run'], { cwd }));
  const args = [...train, '--run', 'r', '--tensorboard', 'new/tb'];
  const { weightsDigest, chain } = jsonOf(await lockstep(args, { cwd }));
  t.match({ weightsDigest, chain }, { weightsDigest: plain.weightsDigest, chain: plain.chain });
  holdLike(t, join(cwd, 'new/tb'), join(cwd, 'r', 'log.jsonl'));
  const again = await lockstep(['train', '--resume', 'r', '--tensorboard', 'other', '--json'], { cwd });
  t.equal(again.code, 0);
  t.same(readdirSync(cwd).sort(), ['new', 'r'], 'a run that is finished has nothing to add');
});

t.test('a run that was stopped goes on in the same folder, and its curves are whole', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const args = [
    'train',
    ...tinyRecipe,
    '--data',
    data,
    '--epochs',
    '60',
    '--run',
    'r',
    '--tensorboard',
    'tb',
  ];
  const during = (child: ChildProcess) => whenShown(child.stdout, 'epoch  2/60', () => child.kill('SIGTERM'));
  const stopped = await lockstep(args, { cwd, during });
  t.equal(stopped.code, 143);
  t.match(stopped.stdout, /^to go on: .* train --resume r .*--tensorboard tb$/m);
  const resumed = await lockstep(['train', '--resume', 'r', '--tensorboard', 'tb', '--json'], { cwd });
  t.equal(resumed.code, 0, resumed.stderr);
  t.ok(Number(jsonOf(resumed).resumedAtStep) > 0);
  t.equal(readdirSync(join(cwd, 'tb')).length, 2, 'a file of its own');
  holdLike(t, join(cwd, 'tb'), join(cwd, 'r', 'log.jsonl'));
});
