/** Outputs that cannot be written: known before anything is trained, wherever that can be known. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type BadCase, everythingBelow, holdRefused, lockstep, whenShown } from '../helpers/cli.ts';
import { hasFile } from '../helpers/platform.ts';
import { tinyRecipe, trainTiny, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

/** Data and a model that are whole, for the cases to copy and to break. */
const whole = t.testdir();
const data = writeTinyData(join(whole, 'data'));
const model = join(whole, 'model.safetensors');

t.before(() => trainTiny(data, model));

const train = (
  flags: readonly string[],
  code: 1 | 2,
  says: RegExp,
  more: Partial<BadCase> = {},
): BadCase => ({
  args: ['train', ...tinyRecipe, ...flags],
  code,
  says,
  ...more,
});

const output = (flags: readonly string[], code: 1 | 2, says: RegExp): BadCase =>
  train([...flags, '--data', data], code, says, {
    prepare: (folder) => {
      mkdirSync(join(folder, 'full'));
      writeFileSync(join(folder, 'full', 'x'), '');
      writeFileSync(join(folder, 'file'), '');
      writeFileSync(join(folder, 'recipe'), '{"model":"dense(10)"}');
    },
  });

t.test('outputs, refused before anything is trained', (t) =>
  holdRefused(t, {
    'the model as a folder': output(['--out', 'full'], 1, /cannot write "full" \(it is a folder\)/),
    'the model as the name of a folder': output(
      ['--out', 'new/'],
      1,
      /cannot write "new\/" \(it is the name of a folder\)/,
    ),
    'the model below a file': output(['--out', 'file/a/b'], 1, /cannot write "file\/a\/b" \(E[A-Z]+: /),
    'the model where a name is too long': output(
      ['--out', 'x'.repeat(300)],
      1,
      /cannot write "x+" \(E[A-Z]+: /,
    ),
    'the log as a folder': output(['--log', 'full'], 1, /cannot write the log "full" \(it is a folder\)/),
    'the trace as a folder': output(
      ['--trace', 'full'],
      1,
      /cannot write the trace "full" \(it is a folder\)/,
    ),
    'the trace below a file': output(
      ['--trace', 'file/a'],
      1,
      /cannot write the trace "file\/a" \(E[A-Z]+: /,
    ),
    'the trace in the log': output(
      ['--log', 'x', '--trace', './x'],
      2,
      /--trace: got ".\/x", which is --log too; expected another file/,
    ),
    'the trace in the model': output(
      ['--out', 'x', '--trace', 'x'],
      2,
      /--trace: got "x", which is --out too; expected another file/,
    ),
    'the trace in what is none': output(
      ['--trace', 'recipe'],
      1,
      /cannot write the trace "recipe" \(there is a file already that is no trace\); choose another place/,
    ),
    "the trace in the run's log": output(
      ['--run', 'r', '--trace', 'new/../r/log.jsonl'],
      2,
      /--trace: got "new\/\.\.\/r\/log\.jsonl", which is the run folder's own; expected another file/,
    ),
    "the log in the run's checkpoints": output(
      ['--run', 'r', '--log', './r/checkpoints/x'],
      2,
      /--log: got "\.\/r\/checkpoints\/x", which is the run folder's own; expected another file/,
    ),
    'the log below a file': output(['--log', 'file/a'], 1, /cannot write the log "file\/a" \(E[A-Z]+: /),
    'curves below a file': output(
      ['--tensorboard', 'file'],
      1,
      /cannot write "file\/events\.out\.tfevents\.[^"]+" \(E[A-Z]+: /,
    ),
    'a used run folder': output(
      ['--run', 'full'],
      2,
      /--run: "full" is used already, expected a new or an empty/,
    ),
    'a file as run folder': output(['--run', 'file'], 2, /--run: "file" is used already/),
    'a run folder below a file': output(['--run', 'file/a'], 1, /--run: cannot make "file\/a" \(E[A-Z]+: /),
    'no place for a run folder': train(['--data', data], 1, /--run: cannot make "runs" \(E[A-Z]+: /, {
      prepare: (folder) => writeFileSync(join(folder, 'runs'), ''),
    }),
    'new folders for a run that never begins': train(
      ['--out', 'a/b/c', '--log', 'd/e', '--run', 'f/g', '--tensorboard', 'h/i', '--data', 'nope'],
      2,
      /there is no folder "nope"/,
    ),
  }),
);

t.test('no devices, and no folders where the system makes them', async (t) => {
  if (hasFile(t, '/dev/null')) {
    await holdRefused(t, {
      device: output(['--out', '/dev/null'], 1, /cannot write "\/dev\/null" \(it is not a regular/),
    });
  }
  if (!hasFile(t, '/proc')) return;
  await holdRefused(t, {
    'the model': output(['--out', '/proc/x/y'], 1, /cannot write "\/proc\/x\/y" \(ENOENT/),
    'the log': output(['--log', '/proc/x/y'], 1, /cannot write "\/proc\/x\/y" \(ENOENT/),
    curves: output(['--tensorboard', '/proc/x/y'], 1, /cannot write "\/proc\/x\/y\/events\.[^"]*" \(ENOENT/),
    'the run folder': output(['--run', '/proc/x/y'], 1, /--run: cannot make "\/proc\/x\/y" \(ENOENT/),
  });
});

t.test('a log on a full device costs the log, not the model', async (t) => {
  if (!hasFile(t, '/dev/full')) return;
  const cwd = t.testdir();
  const args = [
    'train',
    ...tinyRecipe,
    '--data',
    data,
    '--log',
    '/dev/full',
    '--no-run',
    '--out',
    'm',
    '--json',
  ];
  const { code, stdout, stderr } = await lockstep([...args, '--quiet'], { cwd });
  t.equal(code, 1, 'exit code');
  t.match(
    stderr,
    /^lockstep: cannot write the log "\/dev\/full" \(ENOSPC: [^\n]+; the run goes on without this log\n$/,
  );
  t.equal(JSON.parse(stdout).model, 'm', 'the result is told');
  t.ok(readFileSync(join(cwd, 'm')).equals(readFileSync(model)), 'the model is the same as without');
});

t.test('a place that cannot be written to in the end costs that copy, not the model', async (t) => {
  const cwd = t.testdir({ place: {} });
  let changed = false;
  const during = (child: ChildProcess) =>
    whenShown(child.stderr, 'epoch   2/500', () => {
      rmSync(join(cwd, 'place'), { recursive: true });
      writeFileSync(join(cwd, 'place'), 'now a file');
      changed = true;
    });
  const flags = ['--data', data, '--epochs', '500', '--out', 'place/m', '--run', 'r', '--json'];
  const { code, stdout, stderr } = await lockstep(['train', ...tinyRecipe, ...flags], { cwd, during });
  t.ok(changed, 'the folder became a file while it trained');
  t.equal(code, 1, 'exit code');
  t.match(stderr, /^lockstep: cannot write "place\/m" \(E[A-Z]+: [^\n]+\); choose a place/m);
  t.equal(JSON.parse(stdout).model, join('r', 'model.safetensors'), 'the other copy is told of');
  t.match(stderr, /^to go on: npm exec --no -- lockstep train --resume r .*--out place.m --json$/m);
  const written = everythingBelow(cwd).filter((path) => !path.startsWith('r/checkpoints/'));
  t.strictSame(written, [
    'place',
    'r',
    'r/best.safetensors',
    'r/chain',
    'r/checkpoints',
    'r/environment.json',
    'r/log.jsonl',
    'r/model.safetensors',
    'r/recipe.json',
  ]);
});

t.test('a full device as stdout costs what is printed, not the model', async (t) => {
  if (!hasFile(t, '/dev/full')) return;
  const cwd = t.testdir();
  const args = ['train', ...tinyRecipe, '--data', data, '--no-run', '--out', 'm'];
  const { code, stdout, stderr } = await lockstep(args, { cwd, stdout: '/dev/full' });
  t.equal(code, 1, 'exit code');
  t.equal(stdout, '');
  t.equal(stderr, 'lockstep: cannot write to stdout (ENOSPC: no space left on device)\n');
  t.ok(readFileSync(join(cwd, 'm')).equals(readFileSync(model)), 'the model is the same as without');
});
