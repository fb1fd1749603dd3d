/**
 * Computes the published digests anew: `npm run digests` here, with the numbers of threads and the kernels that
 * must not matter; `npm run digests -- 22 24 26` under these versions of Node too, each fetched from npm into a
 * temporary folder. Exit code 3 if anything differs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnableKernels } from '../shared/kernels/load.ts';
import { type KernelChoice, train } from './index.ts';
import { nameOf, type PublishedDigest, publishedDigests } from './recipes/digests.ts';

/** A version of Node has so long to compute them all. */
const deadlineMs = 30 * 60_000;
/** The exact kernels take twenty times as long; they compute recipes of at most this many samples. */
const exactSamples = 5000;

async function checkHere(): Promise<boolean> {
  console.log(`Node ${process.version}, ${process.platform} ${process.arch}`);
  let good = true;
  for (const published of publishedDigests) {
    for (const [threads, kernels] of waysOf(published)) {
      const { summary } = await train({ recipe: published.recipe, ...published.fields, threads, kernels });
      const equal =
        summary.weightsDigest === published.weightsDigest && summary.recipeId === published.recipeId;
      good &&= equal;
      const way = `${threads} ${threads === 1 ? 'thread ' : 'threads'} ${summary.kernels.padEnd(13)}`;
      console.log(
        `${equal ? 'same' : 'DIFFERENT'}  ${way}  ${summary.weightsDigest.slice(0, 16)}  ${nameOf(published)}`,
      );
    }
  }
  return good;
}

function waysOf({ fields }: PublishedDigest): [threads: number, kernels: KernelChoice][] {
  const isSmall = (fields.trainSamples ?? Number.POSITIVE_INFINITY) <= exactSamples;
  const sets = runnableKernels().filter((set) => isSmall || set !== 'exact');
  const threads = isSmall ? [1, 2, 3, 8] : [2];
  return sets.flatMap((set): [number, KernelChoice][] =>
    set === 'exact'
      ? [
          [1, set],
          [5, set],
        ]
      : threads.map((count) => [count, set]),
  );
}

/** Fetches a version of Node, a package of npm's that is nothing but the program, and checks with it. */
function checkUnder(version: string): boolean {
  if (!/^\d+(\.\d+){0,2}$/.test(version))
    throw new Error(`got "${version}", expected a version of Node like 24`);
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-node-'));
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${system}-${process.arch}`;
  try {
    execFileSync('npm', ['install', '--no-save', '--prefix', folder, `${name}@${version}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
      timeout: deadlineMs,
    });
    const program = join(
      folder,
      'node_modules',
      name,
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    );
    const { status } = spawnSync(program, [fileURLToPath(import.meta.url)], {
      stdio: 'inherit',
      timeout: deadlineMs,
    });
    return status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let good = await checkHere();
for (const version of process.argv.slice(2)) good = checkUnder(version) && good;
process.exitCode = good ? 0 : 3;
