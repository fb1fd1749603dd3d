/** The ranks of one job: they come together, those that do not come are named, and none is left behind. */
import t, { type Test } from 'tap';
import { mismatchWithLauncher } from '../../../worker/mpi/world.ts';
import { installedMpis, type Mpi, Ranks } from '../../helpers/mpi.ts';
import { survivorsOf } from '../../helpers/process-ids.ts';

const mpich = { name: 'MPICH 4.0.2', file: 'libmpich.so.12', family: 'MPICH' as const };
const launch = { rank: 2, size: 4, rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE' };

t.test('a libmpi that is not the launcher’s is told by ranks that find themselves alone', (t) => {
  const line = (environment: NodeJS.ProcessEnv) =>
    mismatchWithLauncher(mpich, { rank: 0, size: 1 }, launch, environment);
  t.equal(
    line({ OMPI_COMM_WORLD_SIZE: '4' }),
    'mpirun of Open MPI started rank 2 of 4 (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE), but MPICH 4.0.2 ' +
      '(libmpich.so.12) sees rank 0 of 1; they are of different MPIs: name the libmpi of Open MPI with --mpi-library, ' +
      'or start with the mpirun of MPICH',
  );
  t.match(
    line({}),
    /^the launcher started rank 2 of 4 .*; start with the mpirun that belongs to this library/,
  );
  t.match(line({ SLURM_PROCID: '2' }), /; start with the --mpi= of srun that this library was built for/);
  t.equal(mismatchWithLauncher(mpich, { rank: 2, size: 4 }, launch, {}), null);
  t.equal(
    mismatchWithLauncher(mpich, { rank: 0, size: 1 }, null, {}),
    null,
    'nobody says how many there are',
  );
  t.end();
});

/** Whose mpirun it is not. */
const otherFile = { 'Open MPI': 'libmpich.so.12', MPICH: 'libmpi.so.40' };

const mpis = installedMpis(t);
for (const mpi of mpis) {
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(`${mpi.family}: ${name}`, body);

  for (const size of [1, 5]) {
    test(`${size} ranks gather what each has, long and short and nothing`, async (t) => {
      const ranks = new Ranks(t, mpi, size, { kind: 'gather', times: 6 });
      t.equal((await ranks.exited).code, 0, ranks.stderr);
      t.equal(ranks.told('gathered').length, 6 * size);
      t.same(ranks.otherLines, [], 'stdout is left alone');
      t.same(await survivorsOf(ranks.pids), []);
    });
  }

  test('a rank that does not come to a gather is named by all others, and all end', async (t) => {
    const ranks = new Ranks(t, mpi, 3, { kind: 'gather', times: 4, absent: 1, until: 2 });
    t.not((await ranks.exited).code, 0);
    const failed = ranks.told('failed');
    // mpirun ends the job with the first that fails, so another may not get to say it.
    t.ok(failed.length > 0, 'somebody said it');
    for (const { rank, code, message } of failed) {
      t.equal(code, 'MPI');
      t.match(message, `gather 2 was not complete on rank ${rank} of 3 within 1500 ms: rank 1 did not come`);
    }
    t.notOk(failed.some(({ rank }) => rank === 1));
    t.equal(ranks.told('gathered').length, 6, 'they had gathered twice before');
    t.same(await survivorsOf(ranks.pids), []);
  });

  test('a rank that never calls MPI is missed in time, and all end', async (t) => {
    const ranks = new Ranks(t, mpi, 2, { kind: 'start', absent: 1 });
    t.not((await ranks.exited).code, 0);
    const [failed, ...others] = ranks.told('failed');
    t.match(
      failed?.message,
      /^MPI_Init_thread of .+ did not return on rank 0 of 2 within 1500 ms; another rank was never/,
    );
    t.same(others, []);
    t.same(ranks.told('open'), []);
    t.equal(ranks.told('started').length, 2);
    t.same(await survivorsOf(ranks.pids), []);
  });

  // Rank 0 speaks for all, unless it is the one that is missing.
  test('a rank that never comes to the end does not hold another, which says so, and all end', async (t) => {
    const ranks = new Ranks(t, mpi, 2, { kind: 'end', absent: 0 });
    t.not((await ranks.exited).code, 0);
    t.equal(ranks.told('open').length, 2, 'both had come together');
    t.match(
      ranks.told('failed').map(({ message }) => message),
      [/^rank 1 \(.+\): MPI_Finalize of .+ did not return on rank 1 of 2 within 3000 ms; another rank hangs/],
    );
    t.same(await survivorsOf(ranks.pids), []);
  });

  test('ranks that wait say which do not answer, again and again', async (t) => {
    const ranks = new Ranks(t, mpi, 4, { kind: 'silence', absent: 2 });
    const told = async (rank: number) => {
      const event = await ranks.log.waitFor(
        `rank ${rank}`,
        (one) => one.kind === 'done' && one.rank === rank,
      );
      return event.kind === 'done' ? event.result : null;
    };
    for (const rank of [0, 1, 3]) t.same(await told(rank), [[2], [2]], `rank ${rank}`);
    process.kill(ranks.pidOf(0), 'SIGKILL');
    await ranks.exited;
    t.same(await survivorsOf(ranks.pids), []);
  });

  test('when a rank is killed all end, and none is left', async (t) => {
    const ranks = new Ranks(t, mpi, 4, { kind: 'gather', times: 1_000_000 });
    for (const rank of [0, 1, 2, 3]) {
      await ranks.log.waitFor(`rank ${rank}`, (one) => one.kind === 'gathered' && one.rank === rank);
    }
    const pid = ranks.pidOf(2);
    process.kill(pid, 'SIGKILL');
    const { code } = await ranks.exited;
    t.not(code, 0);
    t.equal(ranks.pids.length, 5, 'four ranks and mpirun');
    t.same(await survivorsOf(ranks.pids), []);
  });

  test('one rank ends all with its exit code', async (t) => {
    const ranks = new Ranks(t, mpi, 3, { kind: 'abort', exitCode: 7 });
    t.equal((await ranks.exited).code, 7, ranks.stderr);
    t.same(await survivorsOf(ranks.pids), []);
  });

  if (mpis.length < 2) t.comment(`NOT TESTED: the mpirun of ${mpi.family} with another libmpi`);
  else testOther(mpi);
}

function testOther(mpi: Mpi): void {
  t.test(`the mpirun of ${mpi.family} with ${otherFile[mpi.family]} is told what is wrong`, async (t) => {
    const ranks = new Ranks(t, mpi, 2, { kind: 'start', absent: -1, file: otherFile[mpi.family] });
    t.not((await ranks.exited).code, 0);
    const failed = ranks.told('failed');
    t.ok(failed.length > 0);
    for (const { rank, message, code } of failed) {
      t.equal(code, 'MPI');
      t.match(message, `mpirun of ${mpi.family} started rank ${rank} of 2 (`);
      t.match(message, `(${otherFile[mpi.family]}) sees rank 0 of 1; they are of different MPIs`);
    }
    t.same(ranks.told('open'), []);
    t.same(await survivorsOf(ranks.pids), []);
  });
}
