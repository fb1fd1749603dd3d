/**
 * A process that reads hostile files. `node --expose-gc hostile-files.js KIND COUNT SEED FOLDER`: writes input by input
 * into the folder's `input`, made from the files in its `samples`, has it read as a user's file would be, then the same
 * with the files in `bombs`; prints what it came to as JSON.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readImages } from '../../scripts/index.ts';
import { loadModel, readInitial } from '../../scripts/model.ts';
import { LockstepError } from '../../shared/errors.ts';
import { fuzzInputs } from './fuzz.ts';
import { resealed } from './png.ts';
import { randomWords } from './values.ts';

export type HostileKind = 'model' | 'png' | 'idx';

export interface HostileResult {
  readonly read: number;
  readonly refused: number;
  /** Of the input whose shortest time of some was the longest. */
  readonly slowestMs: number;
  /** The most memory that the process had beyond what it had before the first input, less twice the largest input. */
  readonly grownBytes: number;
  /** The same for each of the bombs, by name. */
  readonly bombs: Readonly<Record<string, number>>;
}

export const limitMs = 5;
/** Other programs take the processor away at any moment: an input that took long is read again, and a slow one stays slow. */
const mostTries = 20;
/** What nobody holds any more is no memory that a file takes; the collector would let it lie while there is room. */
const collectEvery = 100;

const readers: Record<HostileKind, (path: string) => Promise<void>> = {
  model: async (path) => {
    // Foreign files go this way.
    if (path.endsWith('initial')) readInitial(path, 'dense(1) batchnorm relu dense(10)');
    else loadModel(path);
  },
  png: async (path) => void (await readImages(path)),
  idx: async (path) => void (await readImages(path, { first: 1000 })),
};

/** Mostly refused at the door, so many have their lengths or checksums put right again. */
function* inputsOf(kind: HostileKind, count: number, seed: number, samples: readonly Uint8Array[]) {
  const random = randomWords(seed + 1);
  for (const bytes of fuzzInputs(count, seed, samples)) {
    const isRepaired = random() % 4 !== 0;
    if (!isRepaired) yield bytes;
    else if (kind === 'png') yield resealed(bytes);
    else if (kind === 'model') yield withOwnLength(bytes, samples[random() % samples.length]);
    else yield bytes;
  }
}

/** Text from a damaged header in place of a whole file's, with the length that it has. */
function withOwnLength(damaged: Uint8Array, whole: Uint8Array): Uint8Array {
  const view = Buffer.from(whole.buffer, whole.byteOffset, whole.length);
  const end = 8 + Number(view.readBigUInt64LE());
  const header = damaged.subarray(8, Math.min(damaged.length, end));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, view.subarray(end)]);
}

/** Forgets the highest use of memory so far, where the system can; gives what is in use now, in bytes. */
function startPeak(): number {
  globalThis.gc?.();
  if (existsSync('/proc/self/clear_refs')) writeFileSync('/proc/self/clear_refs', '5');
  return process.memoryUsage.rss();
}

/** The highest use of memory since then; elsewhere than on Linux what is in use now. */
function peakBytes(): number {
  if (!existsSync('/proc/self/clear_refs')) return process.memoryUsage.rss();
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/**
 * Puts bytes in the place of a file's own. Some systems take a file that was cut to nothing and written anew for one
 * that is to be safe on the disk at once, fifty thousand times.
 */
function overwrite(path: string, bytes: Uint8Array): void {
  const file = openSync(path, existsSync(path) ? 'r+' : 'w');
  try {
    writeSync(file, bytes, 0, bytes.length, 0);
    ftruncateSync(file, bytes.length);
  } finally {
    closeSync(file);
  }
}

async function main(kind: HostileKind, count: number, seed: number, folder: string): Promise<HostileResult> {
  const samples = readdirSync(join(folder, 'samples')).map((name) =>
    readFileSync(join(folder, 'samples', name)),
  );
  const counts = { read: 0, refused: 0 };
  const attempt = async (path: string): Promise<void> => {
    try {
      await readers[kind](path);
      counts.read++;
    } catch (error) {
      if (!(error instanceof LockstepError) || /\p{Cc}/u.test(error.message)) throw error;
      counts.refused++;
    }
  };
  // What is compiled and kept once belongs to nobody's file.
  for (const bytes of inputsOf(kind, 500, seed - 1, samples)) {
    overwrite(join(folder, 'input'), bytes);
    await attempt(join(folder, 'input'));
  }
  counts.read = counts.refused = 0;
  const baseBytes = startPeak();
  let slowestMs = 0;
  let largestBytes = 0;
  const measure = async (path: string, bytes: Uint8Array): Promise<number> => {
    let shortest = Number.POSITIVE_INFINITY;
    const kept = { ...counts };
    for (let i = 0; i < mostTries && shortest > 0.8 * limitMs; i++) {
      Object.assign(counts, kept);
      const start = performance.now();
      await attempt(path);
      shortest = Math.min(shortest, performance.now() - start);
    }
    largestBytes = Math.max(largestBytes, bytes.length);
    return shortest;
  };
  let index = 0;
  for (const bytes of inputsOf(kind, count, seed, samples)) {
    const path = join(folder, index++ % 2 === 0 ? 'input' : 'initial');
    overwrite(path, bytes);
    if (index % collectEvery === 0) globalThis.gc?.();
    slowestMs = Math.max(slowestMs, await measure(path, bytes));
  }
  const grownBytes = peakBytes() - baseBytes - 2 * largestBytes;
  const bombs: Record<string, number> = {};
  for (const name of readdirSync(join(folder, 'bombs'))) {
    const path = join(folder, 'bombs', name);
    const bytes = readFileSync(path).length;
    const before = startPeak();
    await attempt(path);
    bombs[name] = peakBytes() - before - 2 * bytes;
  }
  return { ...counts, slowestMs, grownBytes, bombs };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, count, seed, folder] = process.argv.slice(2);
  const result = await main(kind as HostileKind, Number(count), Number(seed), folder);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
