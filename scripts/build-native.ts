/** Builds the native kernels where there is a C++ compiler; where there is none, Lockstep works without them. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../shared/digest.ts';

/** What a compiler writes to stdout; its messages are in English. */
async function run([command, ...parameters]: readonly string[]): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C' };
  return (await promisify(execFile)(command, parameters, { env })).stdout;
}

const again = 'and run npm run build';

/** Only what changes bits or finds the processor's instructions is out of the ordinary here. */
const compilerOptions = [
  ...['-std=c++17', '-O2', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti'],
  // A multiplication and an addition are fused where the source says so and nowhere else.
  '-ffp-contract=off',
];

/** The files of a processor and what each may use. */
const sources: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  x64: {
    'addon.cc': [],
    'avx512.cc': ['-mavx512f', '-mavx512dq', '-mavx2', '-mfma'],
    'avx2.cc': ['-mavx2', '-mfma'],
  },
  // GCC would load a tile's factors so early that its sums no longer fit into the registers.
  arm64: { 'addon.cc': [], 'neon.cc': ['-fno-schedule-insns'] },
};

/** What a source file for a processor is compiled with. */
export function flagsFor(arch: string, file: string): string[] {
  return [...compilerOptions, ...sources[arch][file]];
}

const linking: Readonly<Record<string, readonly string[]>> = {
  // Nothing of the C++ library is used, so none is loaded.
  linux: ['-shared', '-s', '-Wl,--as-needed'],
  darwin: ['-bundle', '-undefined', 'dynamic_lookup'],
};

/**
 * Builds `lockstep-<platform>-<arch>.node` unless it is there, whole, and nothing changed. Returns null, or in a line
 * why there is none now.
 */
export async function buildNative(root: string): Promise<string | null> {
  const folder = join(root, 'shared', 'kernels', 'native');
  const target = join(root, 'dist', 'shared', 'kernels');
  const platform = `${process.platform}-${process.arch}`;
  const addon = join(target, `lockstep-${platform}.node`);
  const stampFile = join(target, 'native.stamp');
  // An addon that is cut short ends the process that loads it, so none ever has the name before it is whole.
  const unnamed = `${addon}.${process.pid}`;
  const remove = (): void => {
    for (const file of [stampFile, addon, unnamed]) rmSync(file, { force: true });
  };
  try {
    const files = sources[process.arch];
    const link = linking[process.platform];
    if (files === undefined || link === undefined) {
      throw new Error(`there are none for ${platform}; use Linux or macOS on x64 or arm64 for these`);
    }
    const { compiler, version } = await findCompiler();
    const headers = findHeaders();
    const contents = readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name)));
    const stamp = sha256(...contents, JSON.stringify([compilerOptions, files, link, compiler, version]));
    if (isStamped(addon, stampFile, stamp)) return null;
    remove();
    const command = [...compiler, ...architecture()];
    const objects = join(root, 'dist', 'native');
    mkdirSync(objects, { recursive: true });
    mkdirSync(target, { recursive: true });
    const built = Object.keys(files).map(async (name) => {
      const object = join(objects, `${name}.o`);
      const flags = [...flagsFor(process.arch, name), `-I${headers}`];
      await run([...command, ...flags, '-c', join(folder, name), '-o', object]);
      return object;
    });
    await Promise.allSettled(built); // no compiler writes any more once this function returns
    await run([...command, ...link, ...(await Promise.all(built)), '-o', unnamed]);
    const digest = sha256(readFileSync(unnamed));
    renameSync(unnamed, addon);
    writeFileSync(stampFile, stamp + digest);
    return null;
  } catch (error) {
    remove();
    return reasonOf(error);
  }
}

/** Whether the addon is the one that was built from what the stamp says. */
function isStamped(addon: string, stampFile: string, stamp: string): boolean {
  try {
    return readFileSync(stampFile, 'utf8') === stamp + sha256(readFileSync(addon));
  } catch {
    return false; // not built yet
  }
}

/** One line: the first error of the compiler or the linker, where it was one of these. */
function reasonOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n');
  const line = lines.find((line) => /\berror:|undefined reference|\bld: (?!.*: in function )/.test(line));
  const shown = (line ?? lines[0]).trim();
  return shown.endsWith(again) ? shown : `${shown}; mend this, or name another compiler by CXX, ${again}`;
}

/** Where Node-API's headers are. */
function findHeaders(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('node-api-headers/package.json');
    return join(dirname(manifest), 'include');
  } catch {
    throw new Error(`node-api-headers is not installed; run npm install ${again}`);
  }
}

/**
 * The first C++ compiler that runs; where `CXX` names one, with arguments, none but that. So `CXX=false` builds without
 * native kernels.
 */
async function findCompiler(): Promise<{ compiler: readonly string[]; version: string }> {
  const asked = process.env.CXX?.split(' ').filter((word) => word !== '') ?? [];
  for (const compiler of asked.length > 0 ? [asked] : [['c++'], ['g++'], ['clang++']]) {
    try {
      return { compiler, version: await run([...compiler, '--version']) };
    } catch {
      // not there; the next may be
    }
  }
  if (asked.length > 0) {
    throw new Error(`CXX=${asked.join(' ')} does not run; unset CXX or name a C++ compiler, ${again}`);
  }
  throw new Error(`no C++ compiler was found (c++, g++, clang++); install one such as g++ ${again}`);
}

/** A compiler of macOS builds for the processor, which need not be the one that Node was built for. */
function architecture(): string[] {
  if (process.platform !== 'darwin') return [];
  return ['-arch', process.arch === 'x64' ? 'x86_64' : process.arch];
}
