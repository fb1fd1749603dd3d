/** All ranks of an MPI job, as the main thread of one of them sees them. */
import type { LockstepError } from '../../shared/errors.ts';
import { Gathering } from './gathering.ts';
import { type Family, type Library, launcherFamily, loadLibrary, mpiError } from './library.ts';
import { Mail } from './mail.ts';

export interface World {
  readonly rank: number;
  readonly size: number;
  /** What the library calls itself: `Open MPI 4.1.4`. */
  readonly library: string;
  /** The file that was loaded, for {@link bindMpi} in other threads. */
  readonly file: string;
  /**
   * Gives everybody what everybody brings, in the order of ranks. All ranks must call it in the same order; no thread of
   * this process may be in an exchange meanwhile.
   * @throws LockstepError (MPI) naming the ranks that did not come within the deadline
   */
  allGather(bytes: Uint8Array, what: string, deadlineMs: number): Promise<Uint8Array[]>;
  /** Which ranks do not answer: asked when an exchange does not end. Every rank that still waits must ask, too. */
  silentRanks(waitMs: number): Promise<number[]>;
  /** Leaves the job in good order, once all ranks do. */
  finalize(): Promise<void>;
  /** Ends all ranks at once. It does not return. */
  abort(exitCode: number): never;
}

export interface WorldOptions {
  /** libmpi where the user names it, null to look for it. */
  readonly file: string | null;
  /** For all ranks to be there, and at the end for all to leave. */
  readonly deadlineMs: number;
  /** What the launcher says of this process; null where none says anything. */
  readonly launch: { readonly rank: number; readonly size: number; readonly rule: string } | null;
}

/** Calls come from the main thread and from the team's thread 0, never from both at once. */
const serialized = 2;
/** Once a call hangs, the process cannot end by itself; so long it may say why. */
const lastWordsMs = 7_000;

/**
 * Joins the ranks that were started together; once in the life of a process.
 * @throws LockstepError (MPI) when there is no libmpi, when ranks do not come in time, when it is not the MPI of the launcher;
 *   LockstepError (USAGE) when the named file is no libmpi
 */
export async function openWorld({ file, deadlineMs, launch }: WorldOptions): Promise<World> {
  const library = loadLibrary(file);
  const self = launch === null ? 'this process' : `rank ${launch.rank} of ${launch.size}`;
  // provided, rank, size
  const answers = new Int32Array(new ArrayBuffer(12));
  const at = library.addressOf(answers);
  const init = library.bindAsync('MPI_Init_thread', ['address', 'address', 'int', 'address']);
  await withinDeadline(library, init(0, 0, serialized, at), deadlineMs, () =>
    mpiError(
      `MPI_Init_thread of ${library.name} did not return on ${self} within ${deadlineMs} ms; another rank was never ` +
        'started, ended early or hangs: see what the others say',
    ),
  );
  const { world, errorsReturn } = library.constants;
  library.bind('MPI_Comm_rank', ['handle', 'address'])(world, at + 4);
  library.bind('MPI_Comm_size', ['handle', 'address'])(world, at + 8);
  const [provided, rank, size] = answers;
  const problem = mismatchWithLauncher(library, { rank, size }, launch) ?? tooFewThreads(library, provided);
  if (problem !== null) {
    await finalize(library, deadlineMs, self);
    throw mpiError(problem);
  }
  library.bind('MPI_Comm_set_errhandler', ['handle', 'handle'])(world, errorsReturn);
  const mail = new Mail(library);
  const gathering = new Gathering(mail, rank, size);
  return {
    ...{ rank, size, library: library.name, file: library.file },
    allGather: (bytes, what, deadlineMs) => gathering.allGather(bytes, what, deadlineMs),
    silentRanks: (waitMs) => gathering.silentRanks(waitMs),
    finalize: () => finalize(library, deadlineMs, `rank ${rank} of ${size}`),
    abort: (exitCode) => abort(library, exitCode),
  };
}

function tooFewThreads(library: Library, provided: number): string | null {
  if (provided >= serialized) return null;
  return (
    `${library.name} (${library.file}) was built without threads: got level ${provided} from MPI_Init_thread, expected ` +
    `${serialized} (MPI_THREAD_SERIALIZED) or more; name another with --mpi-library`
  );
}

/** What does not fit: with the library of another MPI than mpirun's, every rank finds itself alone. */
export function mismatchWithLauncher(
  library: Pick<Library, 'name' | 'file' | 'family'>,
  got: { readonly rank: number; readonly size: number },
  launch: WorldOptions['launch'],
  environment: NodeJS.ProcessEnv = process.env,
): string | null {
  if (launch === null || (got.size === launch.size && got.rank === launch.rank)) return null;
  const family = launcherFamily(environment);
  const starter = family === null ? 'the launcher' : `mpirun of ${family}`;
  const told = `${starter} started rank ${launch.rank} of ${launch.size} (${launch.rule})`;
  const seen = `${library.name} (${library.file}) sees rank ${got.rank} of ${got.size}`;
  return `${told}, but ${seen}; ${todoFor(library.family, family, environment)}`;
}

function todoFor(used: Family, launcher: Family | null, environment: NodeJS.ProcessEnv): string {
  if (launcher !== null && launcher !== used) {
    return `they are of different MPIs: name the libmpi of ${launcher} with --mpi-library, or start with the mpirun of ${used}`;
  }
  if (launcher === null && environment.SLURM_PROCID !== undefined) {
    return 'start with the --mpi= of srun that this library was built for (pmix or pmi2, see srun --mpi=list), or with mpirun';
  }
  return 'start with the mpirun that belongs to this library, or name that of the launcher with --mpi-library';
}

async function finalize(library: Library, deadlineMs: number, self: string): Promise<void> {
  await withinDeadline(library, library.bindAsync('MPI_Finalize', [])(), deadlineMs, () =>
    mpiError(
      `MPI_Finalize of ${library.name} did not return on ${self} within ${deadlineMs} ms; another rank hangs or has not come ` +
        'to the end: see what the others say',
    ),
  );
}

function abort(library: Library, exitCode: number): never {
  try {
    library.bind('MPI_Abort', ['handle', 'int'])(library.constants.world, exitCode);
  } finally {
    library.exitNow(exitCode); // where MPI_Abort came back
  }
  throw new Error('_exit came back');
}

/**
 * Waits for a call on another thread. When it is overdue nothing can call it off, and a thread that hangs would keep the
 * process from ending, `process.exit` included; so from then on the process ends over it, after its last words.
 */
async function withinDeadline(
  library: Library,
  call: Promise<void>,
  deadlineMs: number,
  overdue: () => LockstepError,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      process.once('exit', (code) => library.exitNow(code));
      setTimeout(() => process.exit(process.exitCode || 1), lastWordsMs).unref();
      reject(overdue());
    }, deadlineMs);
  });
  try {
    await Promise.race([call, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
