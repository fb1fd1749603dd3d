import { type Key, streamKey, threefry } from '../../../shared/random.ts';

/** Random numbers of a simulation: the same for the same seed and purpose, always. */
export class Dice {
  readonly #key: Key;
  #count = 0;

  constructor(seed: number, purpose: number) {
    this.#key = streamKey(seed, 1000, purpose);
  }

  /** From `low` up to but without `high`. */
  between(low: number, high: number): number {
    return low + ((high - low) * threefry(this.#key, this.#count++, 0)[0]) / 2 ** 32;
  }

  /** An integer `low … high`. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  chance(probability: number): boolean {
    return this.between(0, 1) < probability;
  }

  /** One of several things, null if there is none. */
  pick<T>(things: readonly T[]): T | null {
    return things.length === 0 ? null : things[this.whole(0, things.length - 1)];
  }
}
