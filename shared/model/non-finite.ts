/**
 * Where a step first met NaN or infinity. All threads note what they find in one word of shared memory; the
 * lowest (place in the step, shard) wins, so it is the same for any number of threads.
 */
import type { SharedMemory } from '../kernels/webassembly.ts';
export interface Finding {
  /** Index into the model's list of places. */
  readonly place: number;
  /** The shard whose partial it was, or null for a total. */
  readonly shard: number | null;
}

/** Shards of a batch are below this number; a total comes after all shards. */
const shardLimit = 2 ** 19;
const nothing = 2 ** 31 - 1;

export class NonFinite {
  readonly #word: Int32Array;

  /** @param offset byte offset of the word */
  constructor(memory: SharedMemory, offset: number) {
    this.#word = new Int32Array(memory.buffer, offset, 1);
  }

  clear(): void {
    Atomics.store(this.#word, 0, nothing);
  }

  report(place: number, shard: number | null): void {
    const key = place * shardLimit + (shard ?? shardLimit - 1);
    let seen = Atomics.load(this.#word, 0);
    while (key < seen) {
      const before = Atomics.compareExchange(this.#word, 0, seen, key);
      if (before === seen) return;
      seen = before;
    }
  }

  found(): boolean {
    return Atomics.load(this.#word, 0) !== nothing;
  }

  get(): Finding | null {
    const key = Atomics.load(this.#word, 0);
    if (key === nothing) return null;
    const shard = key % shardLimit;
    return { place: Math.floor(key / shardLimit), shard: shard === shardLimit - 1 ? null : shard };
  }
}
