/** The sets of kernels side by side: the slow twin, the exact and the relaxed build, native ones, on equal memories. */
import fc from 'fast-check';
import type { Test } from 'tap';
import { LockstepError } from '../../shared/errors.ts';
import { type Kernels, panelBytes, panelWidth, stackBytes } from '../../shared/kernels/kernels.ts';
import {
  instantiateKernels,
  type KernelChoice,
  loadKernels,
  runnableKernels,
} from '../../shared/kernels/load.ts';
import { twinKernels } from '../../shared/kernels/twin/twin.ts';
import { type SharedMemory, wasm } from '../../shared/kernels/webassembly.ts';
import { drawBits, floatOf, isNaNWord, type Kind, kinds, randomWords } from './values.ts';

/** The seed of every property here; each test file prints it. */
export const seed = 20261123;

export interface KernelBuild {
  /** As a failure names it: `twin`, `exact`, `relaxed`. */
  readonly name: string;
  instantiate(memory: SharedMemory): Kernels;
}

/** The builds that this engine can run. That the relaxed one cannot is said aloud, and is no failure. */
export function kernelBuilds(t: Test): KernelBuild[] {
  const builds: KernelBuild[] = [
    { name: 'twin', instantiate: twinKernels },
    { name: 'exact', instantiate: instantiation('exact') },
  ];
  try {
    builds.push({ name: 'relaxed', instantiate: instantiation('wasm') });
  } catch (error) {
    // Wrong known answers are a fault of the build, not of the engine.
    const isMissing = error instanceof LockstepError && !error.message.includes('known answers');
    if (!isMissing) throw error;
    t.comment(`NOT TESTED: the relaxed build. ${error.message}`);
    t.pass('the relaxed build cannot run on this engine');
  }
  const native = runnableKernels().filter((set) => set.startsWith('native:'));
  for (const set of native) builds.push({ name: set, instantiate: instantiation(set) });
  if (native.length === 0) {
    t.comment('NOT TESTED: native kernels, which are not installed here');
    t.pass('no native kernels can run here');
  }
  return builds;
}

/** The fastest build that this engine can run, over a memory. */
export function fastKernels(memory: SharedMemory): Kernels {
  return instantiation('auto')(memory);
}

function instantiation(choice: KernelChoice): KernelBuild['instantiate'] {
  const loaded = loadKernels(choice);
  return (memory) => instantiateKernels(loaded, memory);
}

export function newMemory(pages: number): SharedMemory {
  return new wasm.Memory({ initial: pages, maximum: pages, shared: true });
}

const pageBytes = 65_536;
/** What a case lays out; behind it scratch, with some bytes before and behind it that are compared. */
const areaBytes = 3 * pageBytes;
const stackOffset = areaBytes + 4096;
const imageBytes = Math.ceil((stackOffset + stackBytes + 4096) / pageBytes) * pageBytes;

/** Rows of a panelled matrix in the test's memory. */
export interface MatrixShape {
  readonly rows: number;
  readonly panels: number;
  /** Rows between panels that do not belong to these; some of them lie before the first one. */
  readonly gap: number;
}

/** Gaps between the panels of a matrix: none, or some rows. */
export const gap = fc.constantFrom(0, 0, 1, 2, 7);

/** Bytes from panel to panel. */
export function strideOf({ rows, gap }: Pick<MatrixShape, 'rows' | 'gap'>): number {
  return panelBytes * (rows + gap);
}

/** A run of vectors of sixteen floats out of so many, at least one: `from … to` in floats. */
export function runOf(vectors: number): fc.Arbitrary<[from: number, to: number]> {
  return fc
    .tuple(fc.nat(vectors - 1), fc.nat(vectors - 1))
    .map(([a, b]) => [panelWidth * Math.min(a, b), panelWidth * (Math.max(a, b) + 1)]);
}

/** A plan of the memory that all builds start from: random everywhere, and what a kernel reads put into it. */
export class Area {
  readonly floats: Float32Array;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  /** Random u32 words. */
  readonly random: () => number;
  /** What kernels leave in scratch is not compared, but what is beside it is. */
  readonly stack = stackOffset;
  /** Where a kernel adds up its checksum, or 0. */
  checksum = 0;
  #next = panelBytes; // 0 means "none" to the kernels

  constructor(image: ArrayBuffer, random: () => number) {
    this.floats = new Float32Array(image);
    this.words = new Uint32Array(image);
    this.bytes = new Uint8Array(image);
    this.random = random;
  }

  /** Room for so many floats, at a multiple of 64 bytes. */
  take(floats: number): number {
    const offset = this.#next;
    this.#next = Math.ceil((offset + 4 * floats) / panelBytes) * panelBytes;
    if (this.#next > areaBytes) throw new Error(`the test's memory is too small: ${this.#next}`);
    return offset;
  }

  /** Room for a checksum, which is not compared where a kernel has met what is not finite. */
  takeChecksum(): number {
    this.checksum = this.take(2);
    return this.checksum;
  }

  /** Room for a matrix; its first row of these. */
  takeMatrix(shape: MatrixShape): number {
    const offset = this.take((shape.panels * strideOf(shape)) / 4);
    return offset + panelBytes * (this.random() % (shape.gap + 1));
  }

  /** Floats with these values. */
  put(values: ArrayLike<number>): number {
    const offset = this.take(values.length);
    this.floats.set(values, offset / 4);
    return offset;
  }

  /** A list of sample numbers below `limit`. */
  putOrder(length: number, limit: number): number {
    const offset = this.take(length);
    for (let i = 0; i < length; i++) this.words[offset / 4 + i] = this.random() % limit;
    return offset;
  }
}

/** Random words are drawn once a kind; a memory begins somewhere in them. */
const pools = new Map<Kind, Uint32Array>();
const poolStarts = 2 ** 16;

function poolOf(kind: Kind): Uint32Array {
  const pool = pools.get(kind) ?? drawPool(kind);
  pools.set(kind, pool);
  return pool;
}

function drawPool(kind: Kind): Uint32Array {
  const random = randomWords(seed + kinds.indexOf(kind));
  return Uint32Array.from({ length: poolStarts + imageBytes / 4 }, () => drawBits(random, kind));
}

/**
 * Holds that all builds return the same and leave the same bits in the whole memory, apart from scratch. Bits of
 * NaN are not compared.
 * @param plan lays out a case in an area and returns the call to make
 * @returns what the calls returned
 */
export function holdEqual<Shape>(
  t: Test,
  builds: readonly KernelBuild[],
  shapes: fc.Arbitrary<Shape>,
  plan: (shape: Shape, area: Area) => (kernels: Kernels) => unknown,
  numRuns = 300,
): Set<unknown> {
  let written = 0;
  const results = new Set<unknown>();
  const image = new ArrayBuffer(imageBytes);
  const sides = builds.map(({ name, instantiate }) => {
    const memory = newMemory(imageBytes / pageBytes);
    return { name, kernels: instantiate(memory), words: new Uint32Array(memory.buffer) };
  });
  // Half of the memories are mild: once NaN is everywhere, nothing is compared any more.
  const contents = fc.constantFrom<Kind>('mild', 'mild', 'wild', 'hostile');
  fc.assert(
    fc.property(shapes, contents, fc.nat({ max: poolStarts }), (shape, kind, start) => {
      new Uint32Array(image).set(poolOf(kind).subarray(start, start + imageBytes / 4));
      const area = new Area(image, randomWords(start));
      const call = plan(shape, area);
      const [first, ...others] = sides.map((side) => {
        side.words.set(area.words);
        const result = call(side.kernels);
        if (result === 1 && area.checksum !== 0) {
          side.words.fill(0, area.checksum / 4, area.checksum / 4 + 2);
        }
        return { ...side, result };
      });
      results.add(first.result);
      if (first.words.some((word, i) => word !== area.words[i])) written++;
      for (const other of others) {
        if (!Object.is(first.result, other.result)) {
          throw new Error(`${first.name} returns ${first.result}, ${other.name} ${other.result}`);
        }
        const place = findDifference(first.words, other.words);
        if (place !== null) throw new Error(describeDifference(place, first, other));
      }
    }),
    { seed, numRuns },
  );
  const effect = `wrote in ${written} of ${numRuns} cases, returned ${results.size} different values`;
  t.ok(written > 0 || results.size > 1, `${builds.map(({ name }) => name).join(' = ')}; ${effect}`);
  return results;
}

function findDifference(a: Uint32Array, b: Uint32Array): number | null {
  for (let i = 0; i < a.length; i++) {
    if (4 * i === stackOffset) i += stackBytes / 4;
    if (a[i] !== b[i] && !(isNaNWord(a[i]) && isNaNWord(b[i]))) return i;
  }
  return null;
}

interface Side {
  readonly name: string;
  readonly words: Uint32Array;
}

function describeDifference(place: number, a: Side, b: Side): string {
  const shown = ({ name, words }: Side) =>
    `${name} 0x${words[place].toString(16)} (${floatOf(words[place])})`;
  return `byte ${4 * place}: ${shown(a)}, ${shown(b)}`;
}
