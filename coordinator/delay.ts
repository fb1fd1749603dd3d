/** How long a worker takes from a message to its answer: every ping has a number that comes back at once. */
import type { Clock } from '../shared/wire/link.ts';

/** The median of so many answers counts: one that had to wait behind something says little. */
const kept = 5;

export class Delay {
  readonly #clock: Clock;
  #number = 0;
  #sentMs: number | null = null;
  #answers: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A question goes out; returns its number. One that was not answered until now is given up. */
  ask(): number {
    this.#number = (this.#number + 1) >>> 0;
    this.#sentMs = this.#clock.nowMs();
    return this.#number;
  }

  /** An answer came; to any but the last question it says nothing. */
  answered(number: number): void {
    if (number !== this.#number || this.#sentMs === null) return;
    this.#answers = [...this.#answers, this.#clock.nowMs() - this.#sentMs].slice(-kept);
    this.#sentMs = null;
  }

  /** Null before the first answer. */
  get ms(): number | null {
    const sorted = [...this.#answers].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }
}
