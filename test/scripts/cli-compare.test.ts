/** `lockstep compare` as a shell would run it: what it says, and its exit codes. */
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { version } from '../../shared/version.ts';
import { holdRefused, jsonOf, lockstep } from '../helpers/cli.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

const cwd = t.testdir();
const data = writeTinyData(join(cwd, 'data'));
const trainAs = async (folder: string, ...more: string[]) => {
  const args = ['train', ...tinyRecipe, '--data', data, '--run', folder, '--quiet', ...more];
  const { code, stderr } = await lockstep(args, { cwd });
  if (code !== 0) throw new Error(stderr);
};
await trainAs('here');
await trainAs('there', '--threads', '3', '--kernels', 'exact');
await trainAs('seeded', '--seed', '5');
cpSync(join(cwd, 'here'), join(cwd, 'wrong'), { recursive: true });
const chain = join(cwd, 'wrong', 'chain');
writeFileSync(
  chain,
  readFileSync(chain).map((byte, i) => (i >= 32 * 3 ? byte ^ 1 : byte)),
);

t.test('the same: 0, and a line that says so', async (t) => {
  const { code, stdout, stderr } = await lockstep(['compare', 'here', 'there', '--data', data], { cwd });
  t.equal(code, 0);
  t.equal(stderr, '');
  t.equal(
    stdout,
    'first         here, 4 steps\nsecond        there, 4 steps\n\nThe same bits after each of 4 steps.\n',
  );
});

t.test('different: 3, and the step, and whose fault it is', async (t) => {
  const finished = await lockstep(['compare', 'here', 'wrong', '--data', data, '--json'], { cwd });
  t.equal(finished.code, 3);
  t.match(jsonOf(finished), {
    runs: ['here', 'wrong'],
    same: false,
    fields: [],
    steps: [4, 4],
    difference: { step: 3, fault: 'second' },
  });
  t.match(finished.stderr, /\nThey part at step 3\.\n/);
  t.match(finished.stderr, /agrees with the first: the\s+second is at fault/);
  t.ok(
    finished.stderr.split('\n').every((line) => line.length <= 80),
    'it fits 80 columns',
  );
  const quick = await lockstep(['compare', 'here', 'wrong', '--no-rerun', '--quiet', '--json'], { cwd });
  t.equal(quick.code, 3);
  t.equal(quick.stderr, '');
  t.match(jsonOf(quick), { difference: { step: 3, fault: 'unknown', rerun: null } });
});

t.test('another recipe: 3, and the field', async (t) => {
  const { code, stdout } = await lockstep(['compare', 'here', 'seeded'], { cwd });
  t.equal(code, 3);
  t.match(stdout, /The recipes differ in one field:\n {2}seed {8}first {3}0\n {14}second {2}5\n/);
  t.match(stdout, /They begin with different models\./);
});

t.test('bad input is refused with one line', async (t) => {
  const run = (folder: string, change: (folder: string) => void = () => {}) => {
    cpSync(join(cwd, 'here'), join(folder, 'run'), { recursive: true });
    change(join(folder, 'run'));
  };
  const own = ['compare', 'run', 'run'];
  await holdRefused(t, {
    'no argument': {
      args: ['compare'],
      code: 2,
      says: /compare: got no RUN, expected lockstep compare RUN RUN/,
    },
    'one argument': { args: ['compare', 'run'], code: 2, says: /compare: got no RUN/, prepare: run },
    'three arguments': { args: [...own, 'run'], code: 2, says: /one argument too many, "run"/, prepare: run },
    'no such folder': { args: ['compare', 'nowhere', 'x'], code: 2, says: /compare: there is no "nowhere"/ },
    'a file': {
      args: ['compare', 'file', 'file'],
      code: 2,
      says: /compare: "file" has no recipe\.json, expected the folder of a run/,
      prepare: (folder) => writeFileSync(join(folder, 'file'), version),
    },
    'a folder of something else': {
      args: ['compare', 'other', 'other'],
      code: 2,
      says: /"other" has no recipe\.json/,
      prepare: (folder) => mkdirSync(join(folder, 'other')),
    },
    'a recipe that is no JSON': {
      args: own,
      code: 1,
      says: /compare: the recipe in "run\/recipe\.json" cannot be used \(.*\); put back/,
      prepare: (folder) => run(folder, (at) => writeFileSync(join(at, 'recipe.json'), '{')),
    },
    'a recipe of nothing': {
      args: own,
      code: 1,
      says: /the recipe in "run\/recipe\.json" cannot be used/,
      prepare: (folder) => run(folder, (at) => writeFileSync(join(at, 'recipe.json'), '[]')),
    },
    'a chain that is cut off': {
      args: own,
      code: 1,
      says: /"run\/chain": has 31 bytes, expected digests of 32 bytes each/,
      prepare: (folder) => run(folder, (at) => truncateSync(join(at, 'chain'), 31)),
    },
    'data that is not there': {
      args: [...own, '--data', 'x'],
      code: 2,
      says: /--data: got "x"/,
      prepare: run,
    },
    'no threads': { args: [...own, '--threads', '0'], code: 2, says: /--threads: got "?0/, prepare: run },
    'unknown kernels': {
      args: [...own, '--kernels', 'fast'],
      code: 2,
      says: /--kernels: got "fast"/,
      prepare: run,
    },
    'no model to begin with': {
      args: [...own, '--init', 'x'],
      code: 2,
      says: /--init: there is no "x"/,
      prepare: run,
    },
    'an unknown flag': {
      args: [...own, '--epochs', '2'],
      code: 2,
      says: /unknown flag "--epochs"/,
      prepare: run,
    },
  });
});
