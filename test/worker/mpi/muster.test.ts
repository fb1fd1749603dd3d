/** Ranks meet and come to the same words. */
import t from 'tap';
import { reasonOf } from '../../../shared/errors.ts';
import { version } from '../../../shared/version.ts';
import { decodeAttendee, encodeAttendee } from '../../../worker/mpi/attendee.ts';
import { attend, muster, type Own } from '../../../worker/mpi/muster.ts';
import { attendee } from '../../helpers/attendees.ts';
import { installedMpis, Ranks } from '../../helpers/mpi.ts';
import { survivorsOf } from '../../helpers/process-ids.ts';

const own: Own = { threads: 2, kernels: 'exact', answer: null, recipe: null, same: {}, error: null };

/** A world in which others bring these bytes, before the own ones. */
function worldOf(others: readonly Uint8Array[]) {
  const asked: string[] = [];
  const allGather = (bytes: Uint8Array, what: string) => {
    asked.push(what);
    return Promise.resolve([...others, bytes]);
  };
  return { world: { allGather }, asked };
}

t.test('a process comes with what it is, and its error fits however long it is', (t) => {
  const record = attend({
    ...own,
    error: { code: 'DATA', message: `${'x'.repeat(3_999)}😀${'y'.repeat(90_000)}` },
  });
  t.match(record, { lockstep: version, pid: process.pid, node: process.version, threads: 2, format: 1 });
  const arrival = decodeAttendee(encodeAttendee(record));
  t.equal(arrival.kind, 'attendee');
  t.end();
});

t.test('ranks that fit are told of each other', async (t) => {
  const record = attend(own);
  const { world, asked } = worldOf([encodeAttendee({ ...record, host: 'b' })]);
  const { attendees, refusal } = await muster(world, record, 1000);
  t.equal(refusal, null);
  t.same(
    attendees.map(({ host }) => host),
    ['b', record.host],
  );
  t.same(asked, ['the muster of all ranks']);
});

t.test('a refusal is an error with the code of what went wrong', async (t) => {
  const record = attendee({ error: { code: 'USAGE', message: 'no such flag' } });
  const alike = await muster(worldOf([encodeAttendee(record)]).world, record, 1000);
  t.match(alike.refusal, { code: 'USAGE', exitCode: 2, message: 'no such flag' });
  const stranger = await muster(worldOf([new Uint8Array(3)]).world, attendee(), 1000);
  t.match(stranger.refusal, { code: 'MPI', exitCode: 1, message: /^rank 0 brought no record/ });
  t.equal(stranger.attendees.length, 1);
  const failing = { allGather: () => Promise.reject(new Error('rank 1 did not come')) };
  t.equal(await muster(failing, attendee(), 1000).catch(reasonOf), 'rank 1 did not come');
});

for (const mpi of installedMpis(t)) {
  const meet = async (job: { others: Record<number, object>; garbage?: number }) => {
    const ranks = new Ranks(t, mpi, 3, { kind: 'muster', ...job });
    t.equal((await ranks.exited).code, 0, ranks.stderr);
    t.same(await survivorsOf(ranks.pids), []);
    return ranks;
  };

  t.test(`${mpi.family}: three ranks meet, and all get the same words`, async (t) => {
    const fine = await meet({ others: {} });
    const pids = [0, 1, 2].map((rank) => fine.pidOf(rank));
    for (const { result } of fine.told('done')) t.same(result, { pids, refusal: null, code: null });
    t.equal(fine.told('done').length, 3);

    const mixed = await meet({ others: { 2: { lockstep: '9.0.0', host: 'b' } } });
    const refusal =
      `mixed versions: ranks 0 and 1 run lockstep ${version}, rank 2 (host b) 9.0.0; ` +
      'install the same version for all ranks';
    for (const { result } of mixed.told('done')) t.match(result, { refusal, code: 'MPI' });
    t.equal(mixed.told('done').length, 3);
  });

  t.test(`${mpi.family}: a rank that brings something else is named by the others`, async (t) => {
    const ranks = await meet({ others: {}, garbage: 1 });
    for (const rank of [0, 2]) {
      const told = ranks.told('done').find((one) => one.rank === rank);
      t.match(told?.result, {
        refusal: /^rank 1 brought no record that can be read \(\d+ bytes that do not begin/,
      });
    }
  });
}
