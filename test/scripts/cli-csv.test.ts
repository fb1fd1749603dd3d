/** `lockstep inspect RUN --csv`: a run's log for other programs. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holdRefused, jsonLines, lockstep } from '../helpers/cli.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);
const cwd = t.testdir();
const data = writeTinyData(join(cwd, 'data'));
const log = join(cwd, 'run', 'log.jsonl');
const inspect = (...args: string[]) => lockstep(['inspect', ...args], { cwd });

t.before(async () => {
  const { code, stderr } = await lockstep(['train', ...tinyRecipe, '--data', data, '--run', 'run'], { cwd });
  if (code !== 0) throw new Error(stderr);
  appendFileSync(log, '{"event":"left","worker":"a, b"}\n');
});

/** What Python's reader of such files finds, or null where there is no Python. */
function readByPython(csv: string): Record<string, string>[] | null {
  const program =
    'import csv, io, json, sys\n' +
    'rows = csv.DictReader(io.TextIOWrapper(sys.stdin.buffer, newline=""), strict=True)\n' +
    'print(json.dumps(list(rows)))';
  const { status, stdout } = spawnSync('python3', ['-c', program], { input: csv, encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : null;
}

for (const [flag, field] of [
  ['--csv', 'step'],
  ['--csv-epochs', 'steps'],
] as const) {
  t.test(`${flag}: Python reads what the log says, of a folder as of the log itself`, async (t) => {
    const { code, stdout, stderr } = await inspect('run', flag);
    t.same([code, stderr], [0, '']);
    t.equal((await inspect('run/log.jsonl', flag, '--quiet')).stdout, stdout);
    const lines = jsonLines(log).filter((line) => field in line);
    t.ok(lines.length > 0);
    const rows = stdout.split('\r\n');
    t.equal(rows.pop(), '', 'the last row has an end, too');
    t.same(rows, [Object.keys(lines[0]).join(), ...lines.map((line) => Object.values(line).join())]);
    const read = readByPython(stdout);
    if (read === null) t.comment('NOT TESTED: Python is not here');
    else {
      const numbers = read.map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, text]) => [key, Number(text)])),
      );
      t.same(numbers, lines);
    }
  });
}

t.test('a log that is torn is shown as far as it goes, and that is said on stderr', async (t) => {
  const torn = t.testdir({
    log: '{"epoch":1,"steps":4,"loss":1,"testLoss":2,"testAccuracy":0,"seconds":3}\n?\n{"epo',
  });
  const { code, stdout, stderr } = await inspect(join(torn, 'log'), '--csv-epochs');
  t.equal(code, 0);
  t.equal(stdout, 'epoch,steps,loss,testLoss,testAccuracy,seconds\r\n1,4,1,2,0,3\r\n');
  t.match(
    stderr,
    /^lockstep: ".*log": its last line is cut off and was left out\nlockstep: .*: 1 of its lines are none/,
  );
});

t.test('a log of 40 MB takes little memory, and a reader that goes away early ends it quietly', async (t) => {
  const path = join(t.testdir(), 'long.jsonl');
  const file = openSync(path, 'w');
  const rows = 400_000;
  for (let first = 0; first < rows; first += 1000) {
    const lines = Array.from(
      { length: 1000 },
      (_, i) =>
        `{"epoch":1,"step":${first + i + 1},"samples":64,"loss":${1 / (first + i + 1)},"accuracy":0.5,"seconds":0.001}\n`,
    );
    writeSync(file, lines.join(''));
  }
  closeSync(file);
  // All of it would not fit.
  const environment = { NODE_OPTIONS: '--max-old-space-size=24' };
  const { code, stdout, stderr } = await lockstep(['inspect', path, '--csv'], { cwd, environment });
  t.same([code, stderr], [0, '']);
  t.equal(stdout.split('\r\n').length, rows + 2);
  t.equal(stdout.split('\r\n')[rows], `1,${rows},64,${1 / rows},0.5,0.001`);
  let seen = 0;
  const cut = await lockstep(['inspect', path, '--csv'], {
    cwd,
    during: (child) => {
      child.stdout?.once('data', (chunk: Buffer) => {
        seen = chunk.length;
        child.stdout?.destroy();
      });
    },
  });
  t.ok(seen > 0 && seen < 1e6, `${seen} bytes were read`);
  t.same([cut.code, cut.signal, cut.stderr], [0, null, '']);
});

t.test('what is no log, and two wishes at once, are refused', (t) =>
  holdRefused(t, {
    'a folder without a log': {
      args: ['inspect', '.', '--csv'],
      code: 2,
      says: /inspect: there is no "log\.jsonl", expected the folder of a run with its log/,
    },
    'a recipe': {
      args: ['inspect', 'x.json', '--csv'],
      code: 1,
      says: /"x\.json": no line of it is one of a log; expected the log of a run/,
      prepare: (folder) => {
        appendFileSync(join(folder, 'x.json'), '{\n  "model": "dense(10)"\n}\n');
      },
    },
    'both tables': {
      args: ['inspect', 'x', '--csv', '--csv-epochs'],
      code: 2,
      says: /--csv-epochs: got it together with --csv, expected one of the two/,
    },
    'JSON, too': {
      args: ['inspect', 'x', '--json', '--csv'],
      code: 2,
      says: /--json: got it together with --csv, expected one of the two/,
    },
  }),
);

t.test('a flag goes over a variable', async (t) => {
  const environment = { LOCKSTEP_JSON: '1', LOCKSTEP_CSV_EPOCHS: '1' };
  const { stdout } = await lockstep(['inspect', 'run', '--csv'], { cwd, environment });
  t.match(stdout, /^epoch,step,samples,/);
});
