/** `--auto-resume`: one command line that begins a run, goes on with it, and gives its result again. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { thisProcess } from '../../coordinator/process-identity.ts';
import { isClaim } from '../../coordinator/run-lock.ts';
import { holdRefused, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const base = t.testdir();
const data = writeTinyData(join(base, 'data'));
const recipe = [...tinyRecipe, '--data', data, '--epochs', '60'];
const whole = jsonOf(await lockstep(['train', ...recipe, '--run', 'whole', '--json'], { cwd: base }));
const { weightsDigest, stateDigest, chain } = whole;

for (const [command, ...rest] of [
  ['train'],
  ['coordinator', '--threads', '1', '--listen', '127.0.0.1:0', '--no-dashboard'],
]) {
  t.test(`${command} begins, goes on and is done by the same command line`, async (t) => {
    if (!hasSignals(t)) return;
    const cwd = t.testdir();
    const args = [command, ...recipe, ...rest, '--run', 'run', '--auto-resume', '--json'];
    const during = (child: ChildProcess) =>
      whenShown(child.stderr, 'epoch  2/60', () => child.kill('SIGTERM'));
    const stopped = await lockstep(args, { cwd, during });
    t.equal(stopped.code, 143);
    t.match(jsonOf(stopped), { resumedAtStep: null });
    const resumed = await lockstep(args, { cwd });
    t.equal(resumed.code, 0, resumed.stderr.slice(-300));
    const { steps } = jsonOf(stopped);
    t.match(jsonOf(resumed), { weightsDigest, stateDigest, chain, resumedAtStep: steps });
    t.ok(Number(steps) > 0 && Number(steps) < 240, `it was stopped after step ${steps}`);
    t.strictSame(loggedOf(join(cwd, 'run')), loggedOf(join(base, 'whole')));
    const again = await lockstep(args, { cwd });
    t.equal(again.code, 0);
    t.match(jsonOf(again), { weightsDigest, stateDigest, chain, stepsComputed: 0 });
    t.match(again.stderr, /^The run in "run" is finished; this is its result\.$/m);
  });
}

t.test('a folder that a process was killed in before its run began is as good as new', async (t) => {
  const cwd = t.testdir();
  const args = ['train', ...recipe, '--run', 'run', '--auto-resume', '--json'];
  mkdirSync(join(cwd, 'run'));
  const dead = { ...thisProcess(), started: 'another time', since: new Date(0).toISOString() };
  writeFileSync(join(cwd, 'run', 'lock-1-0123abcd.json'), `${JSON.stringify(dead)}\n`);
  writeFileSync(join(cwd, 'run', '.lock-1-0123abce.json.0123abcd.tmp'), '{"pid":');
  const begun = await lockstep(args, { cwd });
  t.equal(begun.code, 0, begun.stderr.slice(-300));
  t.match(jsonOf(begun), { weightsDigest, resumedAtStep: null });
  const claims = readdirSync(join(cwd, 'run')).filter((name) => isClaim(name));
  t.same(claims, []);
});

const autoResume = ['--run', 'run', '--auto-resume'];
const holdRun = (folder: string) => {
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'run', 'a file'), 'of somebody');
};

t.test('what cannot be begun nor gone on with is refused', async (t) => {
  await holdRefused(t, {
    'no folder': {
      args: ['train', ...recipe, '--auto-resume'],
      code: 2,
      says: /--auto-resume: got it without --run DIR, expected the folder in which the run is, or is to begin/,
    },
    'two folders': {
      args: ['train', ...recipe, ...autoResume, '--resume', 'run'],
      code: 2,
      says: /--auto-resume: got it together with --resume, expected --run DIR alone/,
    },
    'no folder, said twice': {
      args: ['train', ...recipe, '--auto-resume', '--no-run'],
      code: 2,
      says: /--auto-resume: got it together with --no-run/,
    },
    'a folder of something else': {
      args: ['train', ...recipe, ...autoResume],
      code: 2,
      says: /--run: "run" is used already/,
      prepare: holdRun,
    },
    'another recipe': {
      args: ['train', ...recipe, '--seed', '7', '--run', join(base, 'whole'), '--auto-resume'],
      code: 2,
      says: /--seed: got "7", expected "0" as the run began/,
    },
    'no recipe, where the run has another than mnist': {
      args: ['train', '--run', join(base, 'whole'), '--auto-resume'],
      code: 2,
      says: /recipe mnist: .*, expected .* as the run began/,
    },
  });
});
