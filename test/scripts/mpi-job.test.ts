/** Ranks of a job come together, and end it with one line that one of them says. */
import { hostname } from 'node:os';
import t from 'tap';
import { MpiJob } from '../../scripts/mpi-job.ts';
import { LockstepError, usageError } from '../../shared/errors.ts';
import { version } from '../../shared/version.ts';
import { decodeAttendee, encodeAttendee, recordEnd } from '../../worker/mpi/attendee.ts';
import { Aborted, type FakeWorld, fakeWorlds } from '../helpers/fake-worlds.ts';
import { sampleRun } from '../helpers/run-states.ts';

const options = { file: null, launch: null, startMs: 1_000, exchangeMs: 1_000, windows: true };
const { recipe, state } = sampleRun();
const start = { recipe, state, data: 'data', isFinished: false };

/** Has all ranks share a start, and end the job if that fails; what each said, by rank. */
async function shareStart(
  worlds: readonly FakeWorld[],
  open = async (): Promise<typeof start | null> => start,
) {
  return Promise.all(
    worlds.map(async (world) => {
      const job = new MpiJob(world, options);
      const said: string[] = [];
      try {
        return { start: await job.shareStart(open), said, code: 0 };
      } catch (error) {
        const say = ({ message }: Error) => said.push(message);
        await job.fail(error, say).catch((end: unknown) => {
          if (!(end instanceof Aborted)) throw end;
        });
        return { start: null, said, code: error instanceof LockstepError ? error.exitCode : 1 };
      }
    }),
  );
}

/** The bytes of a rank of another version, which differ in what is behind the greeting, too. */
function ofVersion(
  bytes: Uint8Array,
  different: { lockstep?: string; format?: number; protocol?: number },
): Uint8Array {
  const arrival = decodeAttendee(bytes.subarray(0, recordEnd(bytes)));
  if (arrival.kind !== 'attendee') throw new Error('no greeting');
  return Buffer.concat([
    encodeAttendee({ ...arrival.attendee, host: 'b', ...different }),
    Buffer.from('what nobody else can read'),
  ]);
}

t.test('all ranks of one version have what rank 0 goes on from', async (t) => {
  for (const value of [null, start, { ...start, state: null, isFinished: true }]) {
    const ranks = await shareStart(fakeWorlds(3), async () => value as typeof start);
    for (const [rank, one] of ranks.entries()) t.strictSame(one.start, value, `rank ${rank}`);
    t.same(
      ranks.flatMap(({ said }) => said),
      [],
    );
  }
});

t.test('an error of rank 0 is that of all, and rank 0 says it', async (t) => {
  const worlds = fakeWorlds(3);
  const ranks = await shareStart(worlds, async () => {
    throw usageError('--resume: there is no "nowhere"');
  });
  t.same(
    ranks.map(({ said }) => said),
    [['--resume: there is no "nowhere"'], [], []],
  );
  t.same(
    ranks.map(({ code }) => code),
    [2, 2, 2],
  );
  t.same(
    worlds.map(({ ends }) => ends),
    [['finalized'], ['finalized'], ['finalized']],
  );
});

for (const strange of [0, 2]) {
  for (const [what, different, line] of [
    [
      'another version',
      { lockstep: '9.0.0' },
      /^mixed versions: .*9\.0\.0.*; install the same version for all ranks$/,
    ],
    [
      'a newer format',
      { lockstep: '9.0.0', format: 7 },
      /^mixed versions: .*9\.0\.0 \(records of format 7\)/,
    ],
    ['another protocol', { protocol: 99 }, /^ranks differ in the version of what they exchange: .*99/],
  ] as const) {
    t.test(`${what} at rank ${strange} ends all ranks with the line of the muster`, async (t) => {
      const worlds = fakeWorlds(3, {
        change: (bytes, rank) => (rank === strange ? ofVersion(bytes, different) : bytes),
      });
      // A failure of rank 0 may come of it, and is not what is wrong.
      for (const open of [
        async () => start,
        async () => {
          throw usageError('unknown flag');
        },
      ]) {
        const ranks = await shareStart(worlds, open);
        t.same(
          ranks.map(({ said }) => said.length),
          [1, 0, 0],
          'it is said once',
        );
        t.match(ranks[0].said[0], line);
        t.same(
          ranks.map(({ code }) => code),
          [1, 1, 1],
        );
        t.match(
          ranks[0].said[0],
          new RegExp(`${version.replaceAll('.', '\\.')}|1,|1;`),
          'and what the others are',
        );
      }
      t.same(
        worlds.flatMap(({ ends }) => ends),
        Array(6).fill('finalized'),
      );
    });
  }
}

for (const [stranger, speaker] of [
  [1, 0],
  [0, 1],
]) {
  t.test(
    `a version without greetings at rank ${stranger} is told by rank ${speaker}, which ends all`,
    async (t) => {
      for (const bytes of [
        new Uint8Array(),
        Buffer.of(2, 0, 0, 0, 0x7b, 0x7d),
        Buffer.from('LOCKSTEP'),
        Buffer.alloc(70_000, 0xff),
      ]) {
        const worlds = fakeWorlds(3, { change: (own, rank) => (rank === stranger ? bytes : own) });
        // The one who knows nothing of it is somewhere else.
        const there = [0, 1, 2].filter((rank) => rank !== stranger);
        const jobs = worlds.map((world) => new MpiJob(world, options));
        const errors = await Promise.all(
          jobs.map((job) => job.shareStart(async () => start).catch((error: unknown) => error)),
        );
        for (const rank of there) {
          t.match(errors[rank], {
            code: 'MPI',
            message: new RegExp(
              `^rank ${stranger} brought no record that can be read \\(.*install the same Lockstep for all ranks$`,
            ),
          });
        }
        const said: string[] = [];
        const end = jobs[speaker].fail(errors[speaker], ({ message }) => said.push(message));
        await t.rejects(end, { message: 'all end with 1' });
        t.same(said, [errors[speaker] instanceof Error ? errors[speaker].message : '']);
        t.same(worlds[speaker].ends, [1], 'the stranger would not come to the end');
      }
    },
  );
}

t.test('an error of one rank is said with the rank, once', async (t) => {
  const who = `rank 1 (${hostname()})`;
  // It waits for rank 0 to say it.
  const lines = ['it failed', `${who} at step 3: it failed`].map(async (message) => {
    const said: string[] = [];
    const [, world] = fakeWorlds(2);
    const end = new MpiJob(world, options).fail(new LockstepError('MPI', message), (one) =>
      said.push(one.message),
    );
    await t.rejects(end, { message: 'all end with 1' });
    return said;
  });
  t.same(await Promise.all(lines), [[`${who}: it failed`], [`${who} at step 3: it failed`]]);
});
