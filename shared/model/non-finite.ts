/**
 * Where a step first met NaN or infinity. All threads note what they find in one word of shared memory; the
 * lowest (place in the step, shard) wins, so it is the same for any number of threads.
 *
 * Steps take turns with two words: a thread may be in the next step, and find something there, while another has
 * still to look at what this step found.
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
  readonly #words: Int32Array;
  #turn = 0;

  /** @param offset byte offset of two words */
  constructor(memory: SharedMemory, offset: number) {
    this.#words = new Int32Array(memory.buffer, offset, 2);
  }

  /** Forgets what was found; only while no thread computes. */
  clear(): void {
    for (let turn = 0; turn < 2; turn++) Atomics.store(this.#words, turn, nothing);
  }

  /** Turns to a step, given by the number of steps committed before it. */
  turnTo(committed: number): void {
    this.#turn = committed % 2;
  }

  report(place: number, shard: number | null): void {
    const key = place * shardLimit + (shard ?? shardLimit - 1);
    let seen = Atomics.load(this.#words, this.#turn);
    while (key < seen) {
      const before = Atomics.compareExchange(this.#words, this.#turn, seen, key);
      if (before === seen) return;
      seen = before;
    }
  }

  found(): boolean {
    return Atomics.load(this.#words, this.#turn) !== nothing;
  }

  get(): Finding | null {
    const key = Atomics.load(this.#words, this.#turn);
    if (key === nothing) return null;
    const shard = key % shardLimit;
    return { place: Math.floor(key / shardLimit), shard: shard === shardLimit - 1 ? null : shard };
  }
}
