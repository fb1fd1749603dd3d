/** Disks that fail while checkpoints are saved: training goes on, what was there stays, the next one is tried again. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { Checkpoints, newestCheckpoint } from '../../coordinator/checkpoints.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { checkpointOf, fileName, namesIn, newestStep, putCheckpoints } from '../helpers/checkpoint-files.ts';
import { hooked } from '../helpers/disk.ts';
import { rejection } from '../helpers/rejection.ts';
import { sampleRun } from '../helpers/run-states.ts';

const codes = {
  EIO: 'i/o error',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
} as const;

/** Operations that fail where this says so, with one of the codes in turn. */
function failing(fails: (count: number) => boolean) {
  const failed: string[] = [];
  const files = hooked((count, what) => {
    if (!fails(count)) return;
    const [code, text] = Object.entries(codes)[failed.length % 3];
    failed.push(what);
    throw Object.assign(new Error(`${code}: ${text}, ${what}`), { code });
  });
  return { files, failed };
}

/** One line that says what, where, why, what is left and what to do. */
const line =
  /^cannot (save the checkpoint of step \d+ \(epoch 0\)|look for old checkpoints|remove ".*") in ".*" \([A-Z]+: .*\); training goes on, .*; make room or mend the folder, it is tried again with the next checkpoint$/;

async function save(checkpoints: Checkpoints, step: number): Promise<void> {
  const { parts, place } = checkpointOf(step);
  checkpoints.save(parts, place);
  await checkpoints.close();
}

t.test(
  'every Nth operation failing: the old or the new one stays valid, and the next is saved',
  async (t) => {
    const met = new Set<string>();
    for (let n = 1; ; n++) {
      const folder = t.testdir({ [`.${fileName(5)}.01234567.tmp`]: 'left over' });
      putCheckpoints(folder, 10, 20);
      const { files, failed } = failing((count) => count === n);
      const alarms: LockstepError[] = [];
      const opening = Checkpoints.open(folder, { keep: 2, alarm: (error) => alarms.push(error), files });
      if (n === 1) {
        t.match(await rejection(opening, 'OUTPUT'), /^cannot keep checkpoints in ".*" \(EIO: i\/o error\)/);
        met.add(failed[0]);
        continue;
      }
      const checkpoints = await opening;
      await save(checkpoints, 30);
      if (failed.length === 0) {
        t.equal(n, files.count() + 1, `${files.count()} operations were made to fail, one in each run`);
        break;
      }
      met.add(failed[0]);
      t.equal(alarms.length, 1, `${failed[0]}, operation ${n}`);
      t.match(alarms[0]?.message, line);
      t.equal(alarms[0]?.code, 'OUTPUT');
      const newest = newestStep(folder);
      t.ok(newest === 20 || newest === 30, `step ${newest} is the newest`);
      if (checkpoints.saved !== null) t.equal(newest, checkpoints.saved.step);
      await save(checkpoints, 40);
      t.equal(checkpoints.saved?.step, 40);
      t.equal(newestStep(folder), 40);
      t.equal(namesIn(folder).length, 2, 'two are kept, and nothing is left over');
      t.equal(alarms.length, 1, 'nothing else went wrong');
    }
    t.same([...met].sort(), ['close', 'open', 'readdir', 'rename', 'sync', 'unlink', 'writev']);
  },
);

t.test('everything failing from the Nth operation on, until the disk is mended', async (t) => {
  for (let n = 2; ; n++) {
    const folder = t.testdir();
    putCheckpoints(folder, 10, 20);
    let isMended = false;
    const { files, failed } = failing((count) => count >= n && !isMended);
    const alarms: LockstepError[] = [];
    const checkpoints = await Checkpoints.open(folder, {
      keep: 2,
      alarm: (error) => alarms.push(error),
      files,
    });
    await save(checkpoints, 30);
    if (failed.length === 0) break;
    await save(checkpoints, 40);
    t.ok(alarms.length >= 2, `from operation ${n} on: ${failed.length} failed, ${alarms.length} alarms`);
    for (const { message } of alarms) t.match(message, line);
    const newest = newestStep(folder);
    t.ok(newest === 20 || newest === 30, `step ${newest} is the newest`);
    isMended = true;
    await save(checkpoints, 50);
    t.equal(newestStep(folder), 50);
    await save(checkpoints, 60);
    t.same(namesIn(folder), [fileName(50), fileName(60)]);
  }
});

t.test('the alarm names what is left', async (t) => {
  const folder = t.testdir();
  let fails = true;
  const { files } = failing((count) => fails && count > 1);
  const alarms: string[] = [];
  const alarm = ({ message }: LockstepError) => alarms.push(message);
  const checkpoints = await Checkpoints.open(folder, { keep: 2, alarm, files });
  await save(checkpoints, 30);
  t.match(alarms.shift(), /cannot save the checkpoint of step 30 .*; training goes on, there is none yet; /);
  fails = false;
  await save(checkpoints, 40);
  fails = true;
  await save(checkpoints, 50);
  t.match(
    alarms.shift(),
    /cannot save the checkpoint of step 50 .*; training goes on, that of step 40 stays; /,
  );
  const { parts, place } = checkpointOf(60);
  checkpoints.save(parts, { ...place, isLast: true });
  await checkpoints.close();
  t.match(
    alarms.shift(),
    /step 60 .*; it was the last, that of step 40 stays; make room or mend the folder, then go on with the run$/,
    'no other is promised',
  );
});

/** A checkpoint of a quarter of a megabyte. */
function largeCheckpoint(step: number): Uint8Array[] {
  const { architecture, recipe, state } = sampleRun({ model: 'dense(40) dense(10)', epoch: 0, step });
  return encodeCheckpoint(architecture, recipe, state);
}

/** A file system of its own, if this process may have one; if not, that is said aloud. */
function mountSmall(t: Test): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-disk-'));
  const { status, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  t.teardown(() => {
    if (status === 0) spawnSync('umount', ['--lazy', folder]);
    rmdirSync(folder);
  });
  if (status !== 0) {
    t.comment(`NOT TESTED: a full disk needs root and mount (${error?.message ?? `status ${status}`})`);
    t.pass('no tmpfs here');
    return null;
  }
  return folder;
}

t.test('a disk of one megabyte that is full, then read-only, then neither', async (t) => {
  const mounted = mountSmall(t);
  if (mounted === null) return;
  const folder = join(mounted, 'checkpoints');
  const alarms: string[] = [];
  const checkpoints = await Checkpoints.open(folder, {
    keep: 2,
    alarm: ({ message }) => alarms.push(message),
  });
  const save = async (step: number) => {
    checkpoints.save(largeCheckpoint(step), { step, epoch: 0 });
    await checkpoints.close();
    return newestCheckpoint(folder).found?.state.step;
  };
  t.equal(await save(10), 10);
  t.equal(await save(20), 20);
  const filler = join(mounted, 'filler');
  writeFileSync(filler, new Uint8Array(400_000));
  t.equal(await save(30), 20);
  t.match(alarms.shift(), /^cannot save the checkpoint of step 30 .* \(ENOSPC: no space left on device\)/);
  t.same(namesIn(folder), [fileName(10), fileName(20)], 'what was half written is gone');
  rmSync(filler);
  t.equal(await save(40), 40, 'there is room again');
  t.same(namesIn(folder), [fileName(20), fileName(40)]);
  t.equal(spawnSync('mount', ['-o', 'remount,ro', mounted]).status, 0);
  t.equal(await save(50), 40);
  t.match(alarms.shift(), /^cannot save the checkpoint of step 50 .* \(EROFS: read-only file system\)/);
  t.equal(spawnSync('mount', ['-o', 'remount,rw', mounted]).status, 0);
  t.equal(await save(60), 60);
  t.same(alarms, []);
});

t.test('a folder that may not be written to', async (t) => {
  if (process.getuid?.() === 0 || process.platform === 'win32') {
    t.comment('NOT TESTED: nothing is forbidden to this user');
    t.pass('a read-only file system is tested above');
    return;
  }
  const folder = t.testdir();
  putCheckpoints(folder, 10);
  const alarms: string[] = [];
  const checkpoints = await Checkpoints.open(folder, {
    keep: 2,
    alarm: ({ message }) => alarms.push(message),
  });
  chmodSync(folder, 0o500);
  t.teardown(() => chmodSync(folder, 0o700));
  await save(checkpoints, 20);
  t.match(alarms, [/^cannot save the checkpoint of step 20 .* \(EACCES: permission denied\)/]);
  t.equal(newestStep(folder), 10);
});
