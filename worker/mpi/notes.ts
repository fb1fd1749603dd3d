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

/** Notes in memory, 64 bytes each: four integers (u64), then four numbers (binary64). */
export class Notes {
  readonly #integers: BigUint64Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedMemory) {
    this.#integers = new BigUint64Array(memory.buffer);
    this.#numbers = new Float64Array(memory.buffer);
  }

  write(at: number, note: Note): void {
    const { replica, written, wish, isBad, committed, busySeconds, lossSum, correct } = note;
    this.#integers.set([replica, written, BigInt(wish), BigInt(isBad)], at / 8);
    this.#numbers.set([committed, busySeconds, lossSum, correct], at / 8 + 4);
  }

  read(at: number): Note {
    const [replica, written, wish, isBad] = this.#integers.subarray(at / 8, at / 8 + 4);
    const [committed, busySeconds, lossSum, correct] = this.#numbers.subarray(at / 8 + 4, at / 8 + 8);
    return {
      ...{ replica, written, wish: Number(wish), isBad: isBad !== 0n },
      ...{ committed, busySeconds, lossSum, correct },
    };
  }
}
