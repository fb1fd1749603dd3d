/** What every rank tells every other at the end of a step. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';

export interface Note {
  /** Steps committed before this one. */
  readonly committed: number;
  /** The exit code with which its rank wants to end after this step; 0 if it does not. */
  readonly wish: number;
  /** A checksum of the replica that the step began with, the same on all ranks. */
  readonly replica: bigint;
  /** The checksum of what its rank alone has written of the next one. */
  readonly written: bigint;
  /** Whether its rank met NaN or infinity. */
  readonly isBad: boolean;
  /** Seconds that its threads were busy in committed steps, all together. */
  readonly busySeconds: number;
  /** Of the batch: the sum of losses (binary32) and the samples predicted right; good of the rank that has merged them. */
  readonly lossSum: number;
  readonly correct: number;
}

/** Notes in memory, 64 bytes each: two integers (u64), then six numbers (binary64). */
export class Notes {
  readonly #integers: BigUint64Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedMemory) {
    this.#integers = new BigUint64Array(memory.buffer);
    this.#numbers = new Float64Array(memory.buffer);
  }

  write(at: number, note: Note): void {
    const i = at / 8;
    this.#integers[i] = note.replica;
    this.#integers[i + 1] = note.written;
    this.#numbers[i + 2] = note.wish;
    this.#numbers[i + 3] = note.isBad ? 1 : 0;
    this.#numbers[i + 4] = note.committed;
    this.#numbers[i + 5] = note.busySeconds;
    this.#numbers[i + 6] = note.lossSum;
    this.#numbers[i + 7] = note.correct;
  }

  read(at: number): Note {
    const i = at / 8;
    return {
      replica: this.#integers[i],
      written: this.#integers[i + 1],
      wish: this.#numbers[i + 2],
      isBad: this.#numbers[i + 3] !== 0,
      committed: this.#numbers[i + 4],
      busySeconds: this.#numbers[i + 5],
      lossSum: this.#numbers[i + 6],
      correct: this.#numbers[i + 7],
    };
  }
}
