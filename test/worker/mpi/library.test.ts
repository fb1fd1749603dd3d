/** Which libmpi is taken, and what is said where none can be. */
import t from 'tap';
import {
  type Koffi,
  launcherFamily,
  libraryCandidates,
  loadKoffi,
  loadLibrary,
  parseLibraryVersion,
} from '../../../worker/mpi/library.ts';
import { refusal } from '../../helpers/refusal.ts';

const openMpi = { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '0', PMIX_RANK: '0' };
const hydra = { PMI_RANK: '0', PMI_SIZE: '4', PMI_FD: '6', MPI_LOCALNRANKS: '4' };
const hydraInSlurm = { ...hydra, SLURM_PROCID: '0' };
const slurmPmi2 = { PMI_RANK: '0', SLURM_PROCID: '0' };
const slurmPmix = { PMIX_RANK: '0', SLURM_PROCID: '0' };

t.test('whose mpirun it was is known where the environment says it for certain', (t) => {
  t.equal(launcherFamily(openMpi), 'Open MPI');
  t.equal(launcherFamily(hydra), 'MPICH');
  t.equal(launcherFamily({ PMI_RANK: '1', PMI_SIZE: '2' }), 'MPICH');
  t.equal(launcherFamily({ ...openMpi, SLURM_PROCID: '0' }), 'Open MPI', 'mpirun within a job of Slurm');
  t.equal(launcherFamily(hydraInSlurm), 'MPICH');
  t.equal(launcherFamily(slurmPmi2), null);
  t.equal(launcherFamily(slurmPmix), null);
  t.equal(launcherFamily({}), null);
  t.end();
});

t.test('the libmpi of the launcher is looked for, of both where either may be meant', (t) => {
  const first = (environment: NodeJS.ProcessEnv) => libraryCandidates(environment, 'linux')[0];
  t.equal(first(openMpi), 'libmpi.so.40');
  t.equal(first(hydra), 'libmpich.so.12');
  t.equal(first(slurmPmi2), 'libmpich.so.12');
  t.equal(first(slurmPmix), 'libmpi.so.40');
  t.equal(first({}), 'libmpi.so.40');
  t.notOk(libraryCandidates(openMpi, 'linux').includes('libmpich.so.12'));
  t.notOk(libraryCandidates(hydra, 'linux').includes('libmpi.so.40'));
  for (const environment of [{}, slurmPmi2, slurmPmix]) {
    const files = libraryCandidates(environment, 'linux');
    t.ok(
      files.includes('libmpich.so.12') && files.includes('libmpi.so.12') && files.includes('libmpi.so.40'),
    );
    t.equal(new Set(files).size, files.length, 'each once');
  }
  t.ok(libraryCandidates({}, 'darwin').every((file) => file.endsWith('.dylib')));
  t.end();
});

t.test('libraries say whose they are', (t) => {
  const texts: [string, string, string][] = [
    ['Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4', 'Open MPI', 'Open MPI 4.1.4'],
    ['Open MPI v5.0.7rc1, package: x', 'Open MPI', 'Open MPI 5.0.7rc1'],
    ['MPICH Version:\t4.0.2\nMPICH Release date:\tThu', 'MPICH', 'MPICH 4.0.2'],
    ['MPICH Version:      4.3.0\nMPICH Release', 'MPICH', 'MPICH 4.3.0'],
    ['Intel(R) MPI Library 2021.11 for Linux* OS\n', 'MPICH', 'Intel MPI 2021.11'],
    ['MVAPICH2 Version      :\t2.3.7\nMVAPICH2', 'MPICH', 'MVAPICH 2.3.7'],
    ['MPI VERSION    : CRAY MPICH version 8.1.25.17 (ANL base 3.4a2)', 'MPICH', 'Cray MPICH 8.1.25.17'],
  ];
  for (const [text, family, name] of texts) t.same(parseLibraryVersion(text), { family, name });
  t.equal(parseLibraryVersion('Some MPI 1.0'), null);
  t.equal(parseLibraryVersion(''), null);
  t.end();
});

t.test('where koffi is missing, that and what to install is said in one line', (t) => {
  const missing = refusal(
    () =>
      loadKoffi(() => {
        throw Object.assign(new Error("Cannot find module 'koffi'\nRequire stack: …"), {
          code: 'MODULE_NOT_FOUND',
        });
      }),
    'MPI',
  );
  t.equal(
    missing,
    'MPI is called through the package koffi, which is not installed; install it beside Lockstep: npm install koffi',
  );
  const broken = refusal(
    () =>
      loadKoffi(() => {
        throw new Error('Cannot find the native Koffi module;\ndid you bundle it correctly?');
      }),
    'MPI',
  );
  t.match(broken, /cannot be loaded \(Cannot find the native Koffi module; did you bundle it/);
  t.end();
});

t.test('libmpi gets as much stack as a thread has elsewhere, in whatever thread', (t) => {
  const koffi = {
    ...fakeKoffi(null),
    sizes: { sync_stack_size: 2 ** 21, async_stack_size: 2 ** 17 },
    times: 0,
  };
  koffi.config = (sizes?: typeof koffi.sizes) => {
    if (sizes !== undefined) koffi.times++;
    koffi.sizes = sizes ?? koffi.sizes;
    return koffi.sizes;
  };
  for (let i = 0; i < 3; i++)
    t.equal(
      loadKoffi(() => koffi),
      koffi,
    );
  t.same(koffi.sizes, { sync_stack_size: 2 ** 23, async_stack_size: 2 ** 23 });
  t.equal(koffi.times, 1, 'it cannot be changed once a library is loaded');
  t.end();
});

/** A koffi for which no file is a library, or each of them some library. */
function fakeKoffi(said: string | null): Koffi & { readonly asked: string[] } {
  const asked: string[] = [];
  const memory = new Map<number, ArrayBufferView>();
  return {
    asked,
    config: () => ({ sync_stack_size: 0, async_stack_size: 0 }),
    address: (view) => {
      memory.set(memory.size + 1, view);
      return BigInt(memory.size);
    },
    load: (file) => {
      asked.push(String(file));
      if (said === null) throw new Error('Failed to load shared library: no such file');
      return {
        symbol: () => 1n,
        func: (name) => {
          if (name !== 'MPI_Get_library_version') throw new Error(`Cannot find function '${name}'`);
          const ask = (text: number | string, length: number | string) => {
            const [bytes, count] = [memory.get(Number(text)), memory.get(Number(length))];
            if (!(bytes instanceof Uint8Array) || !(count instanceof Int32Array))
              throw new Error('not given');
            count[0] = Buffer.from(bytes.buffer).write(said);
            return 0;
          };
          return Object.assign(ask, { async: () => undefined });
        },
      };
    },
  };
}

t.test('where libmpi is missing, what was tried and what to install is said in one line', (t) => {
  const line = (environment: NodeJS.ProcessEnv) =>
    refusal(() => loadLibrary(null, environment, fakeKoffi(null)), 'MPI');
  t.match(
    line({ ...openMpi }),
    /no libmpi of Open MPI, whose mpirun .* tried libmpi.so.40, .*apt install openmpi-bin/,
  );
  t.match(
    line({ ...hydra }),
    /no libmpi of MPICH, whose mpirun .* tried libmpich.so.12, .*apt install mpich/,
  );
  t.match(line({}), /^no libmpi: tried libmpi.so.40, .*libmpich.so.12.*apt install openmpi-bin \(or mpich\)/);
  for (const environment of [openMpi, hydra, {}]) {
    t.match(line({ ...environment }), /--mpi-library$/);
  }
  t.end();
});

t.test('a file that the user names is the only one that is tried, and the flag is at fault', (t) => {
  const koffi = fakeKoffi(null);
  const line = refusal(() => loadLibrary('/x/libmpi.so', {}, koffi));
  t.same(koffi.asked, ['/x/libmpi.so']);
  t.equal(line, '--mpi-library: cannot load /x/libmpi.so (no such file); expected a libmpi');
  t.end();
});

t.test('a library of an MPI that is not known is refused by what it says of itself', (t) => {
  const line = refusal(() => loadLibrary(null, {}, fakeKoffi('Some\nMPI 1.0\u001b[31m')), 'MPI');
  t.match(
    line,
    /^libmpi.so.40 is an MPI that is not known here, "Some MPI 1.0 \[31m"; expected Open MPI, MPICH/,
  );
  t.match(
    refusal(() => loadLibrary('x', {}, fakeKoffi('Some MPI'))),
    /^--mpi-library: x is an MPI/,
  );
  t.end();
});

t.test('koffi itself says that a file is missing, is none of a library, or one without MPI', (t) => {
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch {
    t.comment('NOT TESTED: koffi is not installed');
    t.pass('no koffi here');
    t.end();
    return;
  }
  const line = (file: string) => refusal(() => loadLibrary(file, {}, koffi));
  t.match(
    line('/nowhere/libmpi.so'),
    /^--mpi-library: cannot load \/nowhere\/libmpi.so \(.+\); expected a libmpi$/,
  );
  t.match(line(process.argv[1]), /^--mpi-library: cannot load .+; expected a libmpi$/);
  if (process.platform === 'linux') {
    t.match(line('libm.so.6'), /libm.so.6 is no library of MPI; expected Open MPI, MPICH/);
  }
  t.end();
});

t.test('UCX leaves signals and heap alone that V8 needs, unless it is told otherwise', (t) => {
  const environment: NodeJS.ProcessEnv = {};
  refusal(() => loadLibrary(null, environment, fakeKoffi(null)), 'MPI');
  t.same(environment, { UCX_HANDLE_ERRORS: 'none', UCX_MEM_EVENTS: 'no' });
  const told: NodeJS.ProcessEnv = { UCX_HANDLE_ERRORS: 'bt' };
  refusal(() => loadLibrary(null, told, fakeKoffi(null)), 'MPI');
  t.same(told, { UCX_HANDLE_ERRORS: 'bt', UCX_MEM_EVENTS: 'no' });
  t.end();
});
