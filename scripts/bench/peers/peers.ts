/** Which peers there are, which of them are here, and how each is started. None of them is a dependency. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { reasonOf } from '../../../shared/errors.ts';
import { packageVersion } from './foreign-package.ts';
import type { PeerLaunch } from './peer.ts';
import type { PeerSettings } from './protocol.ts';

export type PeerName = 'pytorch' | 'numpy' | 'tensorflow' | 'jax';

/** A peer that can be started, in one or more ways. */
export interface FoundPeer {
  readonly name: PeerName;
  readonly title: string;
  readonly version: string;
  readonly launches: readonly PeerLaunch[];
}

/** One that is not here, and how it would be; part of what `--json` prints. */
export interface MissingPeer {
  /** As people know it: `PyTorch`. */
  readonly name: string;
  readonly reason: string;
  /** The command that installs it. */
  readonly install: string;
}

export interface PeersHere {
  readonly found: readonly FoundPeer[];
  readonly missing: readonly MissingPeer[];
}

interface PeerKind {
  readonly name: PeerName;
  readonly title: string;
  /** File beside this one; that of Node has this one's ending. */
  readonly script: string;
  /** A module of Python, or packages of npm, the first of which says the version. */
  readonly needs: { readonly module: 'torch' | 'numpy' } | { readonly packages: readonly string[] };
  /** How it is run on so many cores; the words come after the title. */
  readonly ways: (cores: number) => readonly (Partial<PeerSettings> & { readonly words: string })[];
}

const threadWords = (count: number): string => `${count} thread${count === 1 ? '' : 's'}`;

const kinds: readonly PeerKind[] = [
  {
    name: 'pytorch',
    title: 'PyTorch',
    script: 'pytorch.py',
    needs: { module: 'torch' },
    ways: (cores) => [
      { words: threadWords(1) },
      ...(cores === 1
        ? []
        : [
            // Small steps are often fastest so: no thread of the library's own waits for another.
            { words: `${threadWords(1)}, ${cores} of the BLAS`, blasThreads: cores },
            { words: threadWords(cores), threads: cores, blasThreads: cores },
            { words: `DistributedDataParallel, ${cores} processes`, processes: cores },
          ]),
    ],
  },
  {
    name: 'numpy',
    title: 'NumPy',
    script: 'numpy_peer.py',
    needs: { module: 'numpy' },
    ways: (cores) =>
      [1, cores]
        .slice(0, cores)
        .map((count) => ({ words: threadWords(count), threads: count, blasThreads: count })),
  },
  {
    name: 'tensorflow',
    title: 'TensorFlow.js',
    script: 'tensorflow',
    needs: { packages: ['@tensorflow/tfjs@4.22.0', '@tensorflow/tfjs-backend-wasm@4.22.0'] },
    ways: () => ['wasm', 'cpu'].map((backend) => ({ words: backend, backend })),
  },
  {
    name: 'jax',
    title: 'jax-js',
    script: 'jax',
    needs: { packages: ['@jax-js/jax@0.1.25'] },
    ways: () => [{ words: 'wasm', backend: 'wasm' }],
  },
];

const defaultSettings: PeerSettings = { threads: 1, blasThreads: 1, processes: 1, backend: '' };

/** Other names of the same may have other packages: a distribution's own is not that of an environment. */
const pythons = ['python3', '/usr/bin/python3', 'python'];
/** Finding modules does not load them, so this is for cold disks. */
const probeMs = 10_000;
const probe = `
import importlib.metadata, importlib.util, json
def version(name):
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
print(json.dumps({name: version(name) for name in ("torch", "numpy")}))
`;

export interface FindOptions {
  /** Where npm has put the peers that are packages: `npm install --prefix` of it. */
  readonly folder: string;
  readonly cores: number;
  readonly pythons?: readonly string[];
}

/** Looks for all peers, which takes a fraction of a second and loads none of them. */
export async function findPeers(options: FindOptions): Promise<PeersHere> {
  const { folder, cores } = options;
  const probes = await Promise.all((options.pythons ?? pythons).map(probePython));
  const found: FoundPeer[] = [];
  const missing: MissingPeer[] = [];
  for (const kind of kinds) {
    const place = 'module' in kind.needs ? findModule(probes, kind.needs.module) : findPackages(folder, kind);
    const { name, title } = kind;
    if (place.version === null) {
      missing.push({ name: title, reason: place.reason, install: installCommand(kind, folder) });
      continue;
    }
    const { version, command, args } = place;
    const launches = kind.ways(cores).map(({ words, ...changes }): PeerLaunch => {
      const settings = { ...defaultSettings, ...changes };
      return {
        title: `${title}, ${words}`,
        command,
        args: args(kind),
        environment: threadsOf(settings),
        settings,
      };
    });
    found.push({ name, title, version, launches });
  }
  return { found, missing };
}

type Place =
  | { readonly version: null; readonly reason: string }
  | { readonly version: string; readonly command: string; readonly args: (kind: PeerKind) => string[] };

interface Probe {
  readonly python: string;
  /** Module → version, null where it is not. */
  readonly versions: Readonly<Record<string, string | null>>;
  readonly reason: string;
}

async function probePython(python: string): Promise<Probe> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', probe], {
      timeout: probeMs,
      killSignal: 'SIGKILL',
    });
    return { python, versions: JSON.parse(stdout) as Probe['versions'], reason: `${python} has none` };
  } catch (error) {
    return { python, versions: {}, reason: `${python}: ${reasonOf(error).split('  ')[0]}` };
  }
}

function findModule(probes: readonly Probe[], module: string): Place {
  for (const { python, versions } of probes) {
    const version = versions[module] ?? null;
    // Without -B it would write beside the scripts.
    if (version !== null)
      return { version, command: python, args: ({ script }) => ['-B', scriptPath(script)] };
  }
  return { version: null, reason: probes.map(({ reason }) => reason).join('; ') };
}

function findPackages(folder: string, { needs }: PeerKind): Place {
  const packages = 'packages' in needs ? needs.packages.map(withoutVersion) : [];
  const versions = packages.map((name) => packageVersion(folder, name));
  const absent = packages.filter((_, index) => versions[index] === null);
  const [version] = versions;
  if (version === null || absent.length > 0) {
    return { version: null, reason: `no ${absent.join(' and ')} in ${folder}` };
  }
  const args = ({ script }: PeerKind) => [scriptPath(script + extname(import.meta.url)), resolve(folder)];
  return { version, command: process.execPath, args };
}

function withoutVersion(name: string): string {
  return name.slice(0, name.lastIndexOf('@'));
}

function installCommand({ needs }: PeerKind, folder: string): string {
  if ('packages' in needs) return `npm install --prefix ${folder} ${needs.packages.join(' ')}`;
  // Without an OpenBLAS, Debian's are many times slower.
  if (existsSync('/usr/bin/apt')) return `apt install python3-${needs.module} libopenblas0`;
  return `pip install ${needs.module}`;
}

function scriptPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Libraries of Python read their numbers of threads from the environment. */
function threadsOf({ threads, blasThreads }: PeerSettings): Record<string, string> {
  const library = ['OMP_NUM_THREADS', 'MKL_NUM_THREADS'];
  const blas = ['OPENBLAS_NUM_THREADS', 'BLIS_NUM_THREADS', 'VECLIB_MAXIMUM_THREADS'];
  return Object.fromEntries([
    ...library.map((name) => [name, String(threads)] as const),
    ...blas.map((name) => [name, String(blasThreads)] as const),
  ]);
}
