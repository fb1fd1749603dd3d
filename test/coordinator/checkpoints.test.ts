/** The store of checkpoints: what is saved, what waits, what goes, what is found again. */
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Checkpoints, newestCheckpoint } from '../../coordinator/checkpoints.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { checkpointOf, fileName, namesIn, newestStep, putCheckpoints } from '../helpers/checkpoint-files.ts';
import { hooked, recorded } from '../helpers/disk.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';
import { rejection } from '../helpers/rejection.ts';

const alarm = (error: LockstepError): never => {
  throw error;
};

async function save(checkpoints: Checkpoints, ...steps: number[]): Promise<void> {
  for (const step of steps) {
    const { parts, place } = checkpointOf(step);
    checkpoints.save(parts, place);
    await checkpoints.close();
  }
}

t.test('what is saved is found again; the folder is made', async (t) => {
  const folder = join(t.testdir(), 'runs', 'a', 'checkpoints');
  const checkpoints = await Checkpoints.open(folder, { keep: 3, alarm });
  t.equal(checkpoints.saved, null);
  t.same(newestCheckpoint(folder), { found: null, refused: [] });
  await save(checkpoints, 10);
  const path = join(folder, fileName(10));
  t.same(checkpoints.saved, { step: 10, epoch: 0, path });
  const { found, refused } = newestCheckpoint(folder);
  t.equal(found?.path, path);
  t.equal(found?.state.step, 10);
  t.same(refused, []);
});

t.test('a folder that is not there has no checkpoints; a file in its place is said', (t) => {
  const base = t.testdir({ file: '' });
  t.same(newestCheckpoint(join(base, 'none')), { found: null, refused: [] });
  t.match(
    refusal(() => newestCheckpoint(join(base, 'file')), 'DATA'),
    /file": cannot be read \(ENOTDIR: not a directory\); expected a folder with checkpoints$/,
  );
  t.end();
});

t.test('a folder that cannot be made is said', async (t) => {
  const folder = join(t.testdir({ file: '' }), 'file', 'checkpoints');
  const message = await rejection(Checkpoints.open(folder, { keep: 2, alarm }), 'OUTPUT');
  t.match(
    message,
    /^cannot keep checkpoints in ".*" \(E[A-Z]+: .*\); choose a place that can be written to$/,
  );
  await t.rejects(Checkpoints.open(t.testdir(), { keep: 1, alarm }), /at least two/);
});

t.test('the newest are kept, and anything else in the folder is left alone', async (t) => {
  const folder = t.testdir({ 'notes.txt': '', 'step-1.safetensors': '', '.step-1.tmp': '' });
  const others = namesIn(folder);
  const checkpoints = await Checkpoints.open(folder, { keep: 3, alarm });
  const all: string[][] = [];
  for (const step of [5, 10, 15, 20, 1_000_000_000]) {
    await save(checkpoints, step);
    all.push(namesIn(folder).filter((name) => !others.includes(name)));
  }
  const names = (...steps: number[]) => steps.map(fileName).sort();
  t.same(all, [names(5), names(5, 10), names(5, 10, 15), names(10, 15, 20), names(15, 20, 1_000_000_000)]);
  t.same(
    others.filter((name) => !namesIn(folder).includes(name)),
    [],
  );
  t.equal(newestStep(folder), 1_000_000_000);
});

t.test('left-over temporary files are cleared when the folder is opened, others are not', async (t) => {
  const folder = t.testdir({
    [`.${fileName(7)}.0123abcd.tmp`]: 'half',
    '.model.safetensors.0123abcd.tmp': 'of somebody else',
    [fileName(7)]: 'x',
  });
  await Checkpoints.open(folder, { keep: 2, alarm });
  t.same(namesIn(folder), ['.model.safetensors.0123abcd.tmp', fileName(7)]);
});

t.test('while one is written the newest of those that come waits', async (t) => {
  const folder = t.testdir();
  const written: number[] = [];
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let reached = (): void => {};
  const writing = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const files = hooked((_, what) => {
    if (what !== 'writev') return;
    written.push(written.length);
    reached();
    return held;
  });
  const checkpoints = await Checkpoints.open(folder, { keep: 9, alarm, files });
  for (const step of [1, 2, 3, 4]) {
    const { parts, place } = checkpointOf(step);
    checkpoints.save(parts, place);
    if (step === 1) await writing;
  }
  t.same(namesIn(folder).length, 1, 'one temporary file and nothing else');
  release();
  await checkpoints.close();
  t.same(namesIn(folder), [fileName(1), fileName(4)]);
  t.equal(written.length, 2, 'the others were never begun');
  t.equal(checkpoints.saved?.step, 4);
});

t.test('nothing is done before save returns but the opening', async (t) => {
  const calls: string[] = [];
  const files = hooked((_, what) => calls.push(what));
  const checkpoints = await Checkpoints.open(t.testdir(), { keep: 2, alarm, files });
  calls.length = 0;
  const { parts, place } = checkpointOf(1);
  checkpoints.save(parts, place);
  t.same(calls, ['open']);
  await checkpoints.close();
  t.same(calls, ['open', 'writev', 'sync', 'close', 'rename', 'open', 'sync', 'close', 'readdir']);
});

t.test('writes that take a few bytes at a time come to the same', async (t) => {
  for (const most of [1000, 4096, 8191]) {
    const folder = t.testdir();
    const log: Parameters<typeof recorded>[0] = [];
    const checkpoints = await Checkpoints.open(folder, { keep: 2, alarm, files: recorded(log, most) });
    await save(checkpoints, 3);
    t.ok(log.filter(({ kind }) => kind === 'write').length > 1, `${most} bytes at most`);
    t.equal(newestStep(folder), 3);
  }
});

t.test('a checkpoint that was refused is named with its reason, and the one before it is used', (t) => {
  const folder = t.testdir();
  putCheckpoints(folder, 10, 20, 30);
  truncateSync(join(folder, fileName(30)), 5000);
  writeFileSync(join(folder, fileName(40)), 'x');
  mkdirSync(join(folder, fileName(50)));
  symlinkSync('nowhere', join(folder, fileName(60)));
  const { found, refused } = newestCheckpoint(folder);
  t.equal(found?.state.step, 20);
  t.same(
    refused.map(({ path }) => path),
    [60, 50, 40, 30].map((step) => join(folder, fileName(step))),
  );
  const reasons = [
    /cannot be read \(ENOENT: no such file or directory\)/,
    /not a regular file/,
    /has 1 bytes, expected a checkpoint; it was cut off/,
    /its bytes have the SHA-256 .* it was cut off or altered/,
  ];
  for (const [i, { path, reason }] of refused.entries()) {
    t.match(reason, reasons[i]);
    t.ok(reason.startsWith(`${JSON.stringify(path)}: `), 'it names the file');
  }
  t.end();
});

t.test('a device or a pipe by the name of a checkpoint is refused, not waited for', (t) => {
  if (hasFile(t, '/dev/zero')) {
    const folder = t.testdir();
    symlinkSync('/dev/zero', join(folder, fileName(1)));
    t.match(newestCheckpoint(folder), { found: null, refused: [{ reason: /not a regular file/ }] });
  }
  t.end();
});

t.test(
  'refused ones count for nothing: they go when enough valid ones are there, and no valid one before',
  async (t) => {
    const folder = t.testdir();
    putCheckpoints(folder, 10, 20);
    for (const step of [30, 40, 50]) writeFileSync(join(folder, fileName(step)), 'broken');
    const checkpoints = await Checkpoints.open(folder, { keep: 3, alarm });
    await save(checkpoints, 35);
    const names = (...steps: number[]) => steps.map(fileName);
    t.same(namesIn(folder), names(10, 20, 35));
    t.equal(newestStep(folder), 35);
    await save(checkpoints, 45);
    t.same(namesIn(folder), names(20, 35, 45));
  },
);

t.test('who is killed again and again keeps what is valid, and not more than is wanted', async (t) => {
  const folder = t.testdir();
  for (let step = 1; step <= 8; step++) await save(await Checkpoints.open(folder, { keep: 2, alarm }), step);
  t.same(namesIn(folder), [fileName(7), fileName(8)]);
});

t.test('one that somebody took away does not count', async (t) => {
  const folder = t.testdir();
  const checkpoints = await Checkpoints.open(folder, { keep: 2, alarm });
  await save(checkpoints, 1, 2);
  rmSync(join(folder, fileName(2)));
  await save(checkpoints, 3);
  t.same(namesIn(folder), [fileName(1), fileName(3)]);
});

t.test('the same step again is the same checkpoint again', async (t) => {
  const folder = t.testdir();
  const checkpoints = await Checkpoints.open(folder, { keep: 2, alarm });
  await save(checkpoints, 1, 2, 2, 2);
  t.same(namesIn(folder), [fileName(1), fileName(2)]);
  t.equal(newestStep(folder), 2);
});

t.test('those of a wrong state are removed, also the one that is being written', async (t) => {
  const folder = t.testdir();
  const checkpoints = await Checkpoints.open(folder, { keep: 3, alarm });
  await save(checkpoints, 1, 2, 3);
  for (const step of [4, 5]) {
    const { parts, place } = checkpointOf(step);
    checkpoints.save(parts, place);
  }
  await checkpoints.discard(3);
  t.same(namesIn(folder), [fileName(2)]);
  t.equal(newestStep(folder), 2);
});
