/** A machine that stops at any point while checkpoints are saved and pruned: what is there then can always be used. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Checkpoints, newestCheckpoint } from '../../coordinator/checkpoints.ts';
import type { FileOperations } from '../../coordinator/file-operations.ts';
import { checkpointOf, fileName, namesIn, putCheckpoints } from '../helpers/checkpoint-files.ts';
import { crashStates, type DiskOperation, type DiskState, recorded } from '../helpers/disk.ts';

const old = [10, 20];
const saved = [30, 40, 50];

interface Judged {
  readonly states: number;
  readonly log: readonly DiskOperation[];
  /** What is wrong with which state. */
  readonly faults: readonly string[];
}

/** Saves some checkpoints where two are and two are kept, and looks at all that may be left of it. */
async function judge(
  t: Test,
  wrap: (files: FileOperations, log: DiskOperation[]) => FileOperations = (files) => files,
): Promise<Judged> {
  const base = t.testdir({ live: {}, crashed: {} });
  const live = join(base, 'live');
  putCheckpoints(live, ...old);
  const log: DiskOperation[] = [];
  const checkpoints = await Checkpoints.open(live, {
    keep: 2,
    alarm: (error) => {
      throw error;
    },
    files: wrap(recorded(log, 5000), log),
  });
  /** Operations after which each of them is said to be durable. */
  const durableAt: number[] = [];
  for (const step of saved) {
    const { parts, place } = checkpointOf(step);
    checkpoints.save(parts, place);
    await checkpoints.close();
    const renamed = log.findLastIndex((done) => done.kind === 'rename' && done.to === fileName(step));
    const synced = log.findIndex(({ kind }, i) => kind === 'syncFolder' && i > renamed);
    durableAt.push((synced < 0 ? log.length - 1 : synced) + 1);
  }
  const before: DiskState = new Map(
    old.map((step) => [fileName(step), Buffer.concat(checkpointOf(step).parts)]),
  );
  const faults: string[] = [];
  let states = 0;
  for (let cut = 0; cut <= log.length; cut++) {
    const done = durableAt.filter((at) => cut >= at).length;
    const expected = done === 0 ? 20 : saved[done - 1];
    for (const state of crashStates(before, log, cut)) {
      states++;
      const fault = lookAt(join(base, 'crashed'), state, [expected, saved[done] ?? expected]);
      if (fault !== null) faults.push(`after ${cut} operations: ${fault}`);
    }
  }
  return { states, log, faults };
}

/** What is wrong with a folder in which one of these steps should be the newest, and another valid one behind it. */
function lookAt(folder: string, state: DiskState, steps: readonly number[]): string | null {
  for (const [name, bytes] of state) writeFileSync(join(folder, name), bytes);
  try {
    const { found } = newestCheckpoint(folder);
    if (found === null) return `nothing of ${[...state.keys()]} can be loaded`;
    if (!steps.includes(found.state.step))
      return `step ${found.state.step} is the newest, expected ${steps.join(' or ')}`;
    rmSync(found.path);
    return newestCheckpoint(folder).found === null ? `${found.path} is the only one` : null;
  } finally {
    for (const name of namesIn(folder)) rmSync(join(folder, name));
  }
}

t.test(
  'wherever it is cut, the old or the new one is the newest, and there is another behind it',
  async (t) => {
    const { states, log, faults } = await judge(t);
    t.same(
      log.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]),
      saved.flatMap(() => ['create', 'write', 'sync', 'rename', 'syncFolder', 'unlink']),
    );
    t.same(faults, []);
    t.ok(states > 80, `${states} states after ${log.length} operations`);
  },
);

t.test('the same when a process is killed while a write is half done, and saves again', async (t) => {
  const folder = t.testdir();
  putCheckpoints(folder, ...old);
  writeFileSync(
    join(folder, `.${fileName(30)}.00000000.tmp`),
    Buffer.concat(checkpointOf(30).parts).subarray(0, 999),
  );
  const { parts, place } = checkpointOf(30);
  const checkpoints = await Checkpoints.open(folder, { keep: 2, alarm: (error) => t.fail(error.message) });
  checkpoints.save(parts, place);
  await checkpoints.close();
  t.same(namesIn(folder), [fileName(20), fileName(30)]);
});

type Planted = (files: FileOperations, log: DiskOperation[]) => FileOperations;

const planted: Record<string, readonly [Planted, RegExp]> = {
  'files are not synced': [
    (files) => ({
      ...files,
      open: async (path, flags) => {
        const file = await files.open(path, flags);
        return flags === 'r' ? file : { ...file, sync: async () => undefined };
      },
    }),
    /step 20 is the newest, expected 30 or 40/,
  ],
  'the folder is not synced': [
    (files) => ({
      ...files,
      open: async (path, flags) => {
        const file = await files.open(path, flags);
        return flags === 'wx' ? file : { ...file, sync: async () => undefined };
      },
    }),
    /nothing of .* can be loaded/,
  ],
  'an old one goes before the new one is durable': [
    (files, log) => ({
      ...files,
      rename: async (from, to) => {
        await files.rename(from, to);
        const renames = log.filter(({ kind }) => kind === 'rename').length;
        await files.unlink(join(to, '..', fileName([...old, ...saved][renames - 1])));
      },
    }),
    /is the only one/,
  ],
};

for (const [what, [wrap, fault]] of Object.entries(planted)) {
  t.test(`the judge sees it if ${what}`, async (t) => {
    const { faults } = await judge(t, wrap);
    t.match(
      faults.find((said) => fault.test(said)),
      fault,
    );
  });
}
