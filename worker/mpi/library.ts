/**
 * Finds libmpi and loads it through koffi, an optional dependency. MPI has two ABIs: in Open MPI's a handle is the address of
 * a symbol, in MPICH's (Intel MPI, MVAPICH and Cray's have the same) an integer that its mpi.h states.
 */
import { createRequire } from 'node:module';
import { LockstepError, oneLine, quoted, reasonOf, usageError } from '../../shared/errors.ts';

export type Family = 'Open MPI' | 'MPICH';

/** A C function. Addresses are numbers, which koffi takes faster than bigints: 61 against 121 ns for a call with two. */
type CFunction = (...values: (number | string)[]) => number;

/** The part of koffi that is used. */
export interface Koffi {
  config(): StackSizes;
  config(sizes: StackSizes): unknown;
  load(file: string | null, options?: { global: boolean }): LoadedFile;
  address(value: ArrayBufferView): bigint;
}

/** koffi calls on stacks of its own. */
interface StackSizes {
  readonly sync_stack_size: number;
  readonly async_stack_size: number;
}

interface LoadedFile {
  func(name: string, result: string, parameters: readonly string[]): CFunction & { async: AsyncFunction };
  symbol(name: string): bigint;
}

type AsyncFunction = (...values: [...number[], (error: Error | null, result: number) => void]) => void;

/** Handles and constants of mpi.h. */
export interface Constants {
  readonly world: number;
  readonly byte: number;
  readonly errorsReturn: number;
  readonly inPlace: number;
  readonly statusIgnore: number;
}

/** Parameters of a function: an address, a C int, a handle. */
export type Parameter = 'address' | 'int' | 'handle';

export interface Library {
  readonly file: string;
  readonly family: Family;
  /** `Open MPI 4.1.4`. */
  readonly name: string;
  readonly constants: Constants;
  /** A function of MPI. It throws LockstepError (MPI) with what MPI says of an error code. */
  bind(name: string, parameters: readonly Parameter[]): (...values: number[]) => void;
  /** The same on a thread of its own, for functions that block. Until it is done the process ends by `exitNow` alone. */
  bindAsync(name: string, parameters: readonly Parameter[]): (...values: number[]) => Promise<void>;
  /** Where the bytes of a view lie. They must not be on V8's heap: give it an ArrayBuffer that was made by itself. */
  addressOf(view: ArrayBufferView): number;
  /** Ends the process at once, whatever its threads do. */
  exitNow(code: number): void;
}

/**
 * Whose mpirun started this process, as far as the environment says it for certain: Slurm's PMI, and PMIx, serve both.
 */
export function launcherFamily(environment: NodeJS.ProcessEnv): Family | null {
  if (environment.OMPI_COMM_WORLD_SIZE !== undefined) return 'Open MPI';
  const hydra = ['PMI_FD', 'PMI_PORT', 'HYDI_CONTROL_FD', 'MPI_LOCALNRANKS'];
  if (hydra.some((name) => environment[name] !== undefined)) return 'MPICH';
  return environment.PMI_RANK !== undefined && environment.SLURM_PROCID === undefined ? 'MPICH' : null;
}

/** Files to try, in this order: the system's loader looks for bare names. */
export function libraryCandidates(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  const family = launcherFamily(environment);
  const files = platform === 'darwin' ? macFiles : linuxFiles;
  if (family !== null) return [...files[family]];
  // PMI without PMIx is what MPICH speaks by itself.
  const isPmi = environment.PMI_RANK !== undefined && environment.PMIX_RANK === undefined;
  const [first, second] = isPmi ? (['MPICH', 'Open MPI'] as const) : (['Open MPI', 'MPICH'] as const);
  return [...new Set([...files[first], ...files[second]])];
}

/** Debian and modules put them where the loader looks; Fedora and its kin keep both apart. */
const linuxFiles: Record<Family, readonly string[]> = {
  'Open MPI': ['libmpi.so.40', '/usr/lib64/openmpi/lib/libmpi.so.40', 'libmpi.so'],
  MPICH: ['libmpich.so.12', 'libmpi.so.12', '/usr/lib64/mpich/lib/libmpi.so.12'],
};

const macFiles: Record<Family, readonly string[]> = {
  'Open MPI': ['libmpi.40.dylib', '/opt/homebrew/lib/libmpi.40.dylib', '/usr/local/lib/libmpi.40.dylib'],
  MPICH: ['libmpi.12.dylib', '/opt/homebrew/lib/libmpi.12.dylib', '/usr/local/lib/libmpi.12.dylib'],
};

/** What a thread has elsewhere, and MPI_Init_thread may rely on. For asynchronous calls koffi has 128 KiB. */
const stackBytes = 8 * 2 ** 20;

/**
 * The package koffi.
 * @param require the way to it, from here
 * @throws LockstepError (MPI) where it is not installed, or has nothing for this platform
 */
export function loadKoffi(require: (name: string) => unknown = createRequire(import.meta.url)): Koffi {
  try {
    const koffi = require('koffi') as Koffi;
    // Once for each thread, before the first library.
    if (koffi.config().async_stack_size !== stackBytes) {
      koffi.config({ sync_stack_size: stackBytes, async_stack_size: stackBytes });
    }
    return koffi;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    const what = isMissing ? 'is not installed' : `cannot be loaded (${reasonOf(error)})`;
    throw mpiError(
      `MPI is called through the package koffi, which ${what}; install it beside Lockstep: npm install koffi`,
      error,
    );
  }
}

/**
 * UCX, with which MPICH is built on Debian and others are for many networks, is told to keep out of what is V8's, unless
 * somebody told it otherwise:
 * - It takes SIGSEGV, by which V8 sees the bounds of WebAssembly's memory.
 * - It tries its hooks by moving the end of the heap up a page and down again. Where V8's code lies right behind the heap the
 *   heap cannot grow, only the way down succeeds, and a page is cut off that is in use: seen in 4 of 490 processes.
 */
const quietUcx = { UCX_HANDLE_ERRORS: 'none', UCX_MEM_EVENTS: 'no' };

/**
 * Loads libmpi; nothing is initialised. Each thread loads it for itself.
 * @param file the one that the user names, null to look for it
 * @throws LockstepError (MPI) when it is not found, LockstepError (USAGE) when the named one cannot be used
 */
export function loadLibrary(
  file: string | null,
  environment: NodeJS.ProcessEnv = process.env,
  koffi: Koffi = loadKoffi(),
): Library {
  for (const [name, value] of Object.entries(quietUcx)) environment[name] ??= value;
  const tried = file === null ? libraryCandidates(environment, process.platform) : [file];
  const refusals: string[] = [];
  for (const candidate of tried) {
    let loaded: LoadedFile;
    try {
      // Its plug-ins look for its symbols among the global ones, in some builds of Open MPI.
      loaded = koffi.load(candidate, { global: true });
    } catch (error) {
      refusals.push(`${candidate} (${reasonOf(error).replace('Failed to load shared library: ', '')})`);
      continue;
    }
    return openLibrary(koffi, loaded, candidate, file !== null);
  }
  if (file !== null) throw usageError(`--mpi-library: cannot load ${refusals[0]}; expected a libmpi`);
  throw mpiError(missingLine(tried, environment));
}

function missingLine(tried: readonly string[], environment: NodeJS.ProcessEnv): string {
  const family = launcherFamily(environment);
  const wanted = family === null ? 'no libmpi' : `no libmpi of ${family}, whose mpirun started this`;
  const install = { 'Open MPI': 'apt install openmpi-bin', MPICH: 'apt install mpich' };
  const todo = family === null ? `${install['Open MPI']} (or mpich)` : install[family];
  return `${wanted}: tried ${tried.join(', ')}; install one, ${todo}, or name the file with --mpi-library`;
}

function openLibrary(koffi: Koffi, loaded: LoadedFile, file: string, isNamed: boolean): Library {
  const said = readVersion(koffi, loaded);
  const version = said === null ? null : parseLibraryVersion(said);
  if (version === null) {
    const what =
      said === null
        ? 'no library of MPI'
        : `an MPI that is not known here, ${quoted(oneLine(said).slice(0, 60))}`;
    const line = `${file} is ${what}; expected Open MPI, MPICH, or one with the ABI of MPICH`;
    throw isNamed ? usageError(`--mpi-library: ${line}`) : mpiError(`${line}; name one with --mpi-library`);
  }
  keepLoaded(koffi, file);
  const handle = version.family === 'Open MPI' ? 'uintptr_t' : 'int';
  const types = { address: 'uintptr_t', int: 'int', handle } satisfies Record<Parameter, string>;
  const find = (name: string, parameters: readonly Parameter[]) => {
    const typed = parameters.map((parameter) => types[parameter]);
    return loaded.func(name, 'int', typed);
  };
  const addressOf = (view: ArrayBufferView) => Number(koffi.address(view));
  const text = new Uint8Array(new ArrayBuffer(longestText));
  const length = new Int32Array(new ArrayBuffer(4));
  const errorString = find('MPI_Error_string', ['int', 'address', 'address']);
  const check = (code: number, name: string) => {
    if (code === 0) return;
    const isKnown = errorString(code, addressOf(text), addressOf(length)) === 0;
    const reason = isKnown ? oneLine(textOf(text, length)) : 'no text';
    throw mpiError(`${name} of ${version.name} failed with error code ${code} (${reason})`);
  };
  return {
    ...{ file, family: version.family, name: version.name, addressOf },
    constants: constantsOf(version.family, loaded),
    bind: (name, parameters) => {
      const call = find(name, parameters);
      return (...values) => check(call(...values), name);
    },
    bindAsync: (name, parameters) => {
      const { async: start } = find(name, parameters);
      return async (...values) => {
        const code = await new Promise<number>((resolve, reject) =>
          start(...values, (error, result) => (error === null ? resolve(result) : reject(error))),
        );
        check(code, name);
      };
    },
    exitNow: (code) => koffi.load(null).func('_exit', 'void', ['int'])(code),
  };
}

/** What the library says of itself, which it may be asked at any time; null where it is something else. */
function readVersion(koffi: Koffi, loaded: LoadedFile): string | null {
  const text = new Uint8Array(new ArrayBuffer(longestText));
  const length = new Int32Array(new ArrayBuffer(4));
  try {
    const ask = loaded.func('MPI_Get_library_version', 'int', ['uintptr_t', 'uintptr_t']);
    if (ask(Number(koffi.address(text)), Number(koffi.address(length))) !== 0) return null;
  } catch {
    return null; // it has no such function
  }
  return textOf(text, length);
}

function textOf(bytes: Uint8Array, length: Int32Array): string {
  return Buffer.from(bytes.subarray(0, length[0])).toString('latin1').replace(/\0.*$/s, '');
}

/** MPI_MAX_LIBRARY_VERSION_STRING is 256 in Open MPI and 8192 in MPICH; texts of errors are shorter. */
const longestText = 16_384;

const versionTexts: readonly [RegExp, Family, string][] = [
  [/^Open MPI v?(\d\S*?),/, 'Open MPI', 'Open MPI'],
  [/^MPICH Version:\s*(\d\S*)/, 'MPICH', 'MPICH'],
  [/^Intel\(R\) MPI Library (\d\S*)/, 'MPICH', 'Intel MPI'],
  [/^MVAPICH2? Version\s*:\s*(\d\S*)/, 'MPICH', 'MVAPICH'],
  [/CRAY MPICH version (\d\S*)/, 'MPICH', 'Cray MPICH'],
];

/** Whose library it is, from what it says of itself; null for one that is not known here. */
export function parseLibraryVersion(text: string): { family: Family; name: string } | null {
  for (const [pattern, family, title] of versionTexts) {
    const version = pattern.exec(text)?.[1];
    if (version !== undefined) return { family, name: `${title} ${version.slice(0, 32)}` };
  }
  return null;
}

function constantsOf(family: Family, loaded: LoadedFile): Constants {
  const symbol = (name: string) => Number(loaded.symbol(name));
  switch (family) {
    case 'Open MPI':
      return {
        world: symbol('ompi_mpi_comm_world'),
        byte: symbol('ompi_mpi_byte'),
        errorsReturn: symbol('ompi_mpi_errors_return'),
        ...{ inPlace: 1, statusIgnore: 0 },
      };
    case 'MPICH':
      return {
        ...{ world: 0x44000000, byte: 0x4c00010d, errorsReturn: 0x54000001 },
        ...{ inPlace: -1, statusIgnore: 1 }, // (void *) -1, (MPI_Status *) 1
      };
    default:
      return family satisfies never;
  }
}

/**
 * Keeps the library in this process for good. koffi closes it with the thread that loaded it, and a thread that was
 * inside of it would end in what is no longer there.
 */
function keepLoaded(koffi: Koffi, file: string): void {
  const lazy = 1; // RTLD_LAZY, on Linux and macOS
  if (process.platform !== 'win32') koffi.load(null).func('dlopen', 'uintptr_t', ['str', 'int'])(file, lazy);
}

export function mpiError(message: string, cause?: unknown): LockstepError {
  return new LockstepError('MPI', message, { cause });
}
