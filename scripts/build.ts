/** Builds what tsc does not: the kernels, WebAssembly and native ones, and the page; and copies the Python peers. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { sha256 } from '../shared/digest.ts';
import { buildNative } from './build-native.ts';
import { buildPage } from './build-page.ts';

// This file runs from dist/scripts.
const root = fileURLToPath(new URL('../../', import.meta.url));
const sources = join(root, 'shared', 'kernels', 'assembly');
const target = join(root, 'dist', 'shared', 'kernels');

const options = [
  ...['--runtime', 'stub', '-O3', '--noAssert', '--importMemory', '--sharedMemory'],
  ...['--initialMemory', '1', '--maximumMemory', '65536', '--enable', 'simd,threads'],
  // Vectors are passed between our own modules only, never to JavaScript.
  ...['--disableWarning', '112'],
];

const builds = [
  { name: 'relaxed', features: ['--enable', 'relaxed-simd'] },
  { name: 'exact', features: [] },
];

const files = readdirSync(sources)
  .filter((name) => name.endsWith('.ts'))
  .sort();
const stamp = sha256(
  ...files.map((name) => readFileSync(join(sources, name))),
  JSON.stringify([options, builds, asc.version]),
);
const stampFile = join(target, 'kernels.stamp');

const isBuilt = builds.every(({ name }) => existsSync(join(target, `${name}.wasm`)));
if (!isBuilt || readStamp() !== stamp) {
  mkdirSync(target, { recursive: true });
  for (const { name, features } of builds) {
    const out = join(target, `${name}.wasm`);
    const { error, stderr } = await asc.main([
      ...[join(sources, 'index.ts'), '--baseDir', root, '-o', relative(root, out)],
      ...options,
      ...features,
    ]);
    if (error !== null) {
      process.stderr.write(`building ${name}.wasm failed: ${error.message}\n${stderr.toString()}`);
      process.exit(1);
    }
  }
  writeFileSync(stampFile, stamp);
}
const missing = await buildNative(root);
if (missing !== null) process.stderr.write(`native kernels are not built, the others are used: ${missing}\n`);

await buildPage(root);

// tsc leaves out what is not TypeScript.
const peers = join('scripts', 'bench', 'peers');
mkdirSync(join(root, 'dist', peers), { recursive: true });
for (const name of readdirSync(join(root, peers)).filter((name) => name.endsWith('.py'))) {
  copyFileSync(join(root, peers, name), join(root, 'dist', peers, name));
}

function readStamp(): string | null {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return null; // not built yet
  }
}
