/** What this machine can do at most: fused multiply-adds of each set of kernels, and bytes to and from memory. */

import { instantiateKernels, type LoadedKernels } from '../../shared/kernels/load.ts';
import { wasm } from '../../shared/kernels/webassembly.ts';

/** The best of so many runs counts: a limit is what is reached when nothing else is in the way. */
const runs = 5;
/** A run is long enough for the clock, and for a core to come up to its frequency. */
const runSeconds = 0.02;
/** Each of two arrays is larger than the caches of nearly every machine. */
const arrayBytes = 128 * 2 ** 20;

/** 10⁹ bytes a second of one thread. */
export interface MemoryLimits {
  /** Bytes read and bytes written. */
  readonly copy: number;
}

/**
 * The most work a second that a function reaches.
 * @param work does so many rounds and returns how much that was
 */
export function bestRate(
  work: (rounds: number) => number,
  seconds = runSeconds,
  nowMs: () => number = () => performance.now(),
): number {
  const timed = (rounds: number) => {
    const startMs = nowMs();
    const done = work(rounds);
    return { done, seconds: (nowMs() - startMs) / 1000 };
  };
  let rounds = 1;
  while (timed(rounds).seconds < seconds) rounds *= 2;
  let best = 0;
  for (let run = 0; run < runs; run++) {
    const { done, seconds: took } = timed(rounds);
    best = Math.max(best, done / took);
  }
  return best;
}

/** The most GFLOP/s of one thread with these kernels, in registers. */
export function measurePeak(loaded: LoadedKernels): number {
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const kernels = instantiateKernels(loaded, memory);
  return bestRate((rounds) => kernels.peak(1000 * rounds, 64)) / 1e9;
}

/**
 * The peaks of some sets, each at least what it was before: the longer one looks, the less the rest of the machine is
 * in the way.
 */
export function raisePeaks(
  before: Readonly<Record<string, number>>,
  sets: readonly LoadedKernels[],
): Record<string, number> {
  return Object.fromEntries(
    sets.map((loaded) => [loaded.set, Math.max(before[loaded.set] ?? 0, measurePeak(loaded))]),
  );
}

/**
 * What one thread gets from memory by `memmove`, as it is in this machine's C library. JavaScript has nothing that only
 * reads as quickly: `memcmp` is slower than copying.
 */
export function measureMemory(bytes = arrayBytes): MemoryLimits {
  const [from, to] = [Buffer.alloc(bytes, 1), Buffer.alloc(bytes, 1)];
  const copied = (rounds: number) => {
    for (let round = 0; round < rounds; round++) to.set(from);
    return (2 * bytes * rounds) / 1e9;
  };
  return { copy: bestRate(copied) };
}
