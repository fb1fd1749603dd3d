/** Help, version and completion as processes. */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { inParallel, lockstep } from '../helpers/cli.ts';

/** The package.json above this compiled file. */
const packageFile = ['../../package.json', '../../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));
const { version } = JSON.parse(readFileSync(packageFile ?? '', 'utf8'));

t.test('help is on stdout, fits 80 columns, and is no error', async (t) => {
  const cwd = t.testdir();
  const ways: Record<string, RegExp> = {
    '--help': /^Lockstep \d.*\n\nUsage: lockstep COMMAND/,
    '-h': /^Lockstep \d.*\n\nUsage: lockstep COMMAND/,
    help: /^Lockstep \d.*\n\nUsage: lockstep COMMAND/,
    'help train': /^Usage: lockstep train \[RECIPE\] \[flags\]\n/,
    'train --help': /^Usage: lockstep train \[RECIPE\] \[flags\]\n/,
    'train mnist -h --epochs x': /^Usage: lockstep train \[RECIPE\] \[flags\]\n/,
    'evaluate --help': /^Usage: lockstep evaluate MODEL \[flags\]\n/,
    'predict --help': /^Usage: lockstep predict MODEL IMAGE… \[flags\]\n/,
    'export --help': /^Usage: lockstep export MODEL FILE \[flags\]\n/,
    'inspect --help': /^Usage: lockstep inspect FILE \[flags\]\n/,
  };
  // Not in anybody's language but ours, whatever the system speaks.
  const environment = { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8', COLUMNS: '40' };
  const results = await inParallel(Object.keys(ways), (way) =>
    lockstep(way.split(' '), { cwd, environment }),
  );
  for (const [i, [way, says]] of Object.entries(ways).entries()) {
    const { code, stdout, stderr } = results[i];
    t.equal(code, 0, way);
    t.equal(stderr, '');
    t.match(stdout, says);
    t.notOk(
      stdout.split('\n').find((line) => line.length > 80),
      'no line is longer than 80',
    );
  }
});

t.test('--version is that of the package', async (t) => {
  const cwd = t.testdir();
  for (const args of [['--version'], ['-v'], ['train', '--version']]) {
    const { code, stdout, stderr } = await lockstep(args, { cwd });
    t.strictSame({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' }, args.join(' '));
  }
});

t.test('completion knows commands and flags', async (t) => {
  const cwd = t.testdir();
  const script = await lockstep(['completion'], { cwd });
  t.equal(script.code, 0);
  t.match(script.stdout, 'complete -o bashdefault -o default -F _lockstep_yargs_completions lockstep');
  const complete = async (...words: string[]) => {
    const { code, stdout } = await lockstep(['--get-yargs-completions', 'lockstep', ...words], { cwd });
    t.equal(code, 0);
    return stdout.trim().split('\n');
  };
  t.ok((await complete('')).includes('train'));
  const flags = await complete('train', '--');
  for (const flag of ['--epochs', '--batch-size', '--json']) t.ok(flags.includes(flag), flag);
});
