/** What every rank tells every other beside a gradient. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';

export interface Note {
  /** Steps committed before the one whose gradient it is with. */
  readonly committed: number;
  /** The exit code with which its rank wants to end after this step; 0 if it does not. */
  readonly wish: number;
  /** The checksum of what its rank's last update wrote; 0 before the first. */
  readonly checksum: bigint;
  /** Seconds that its threads were busy in committed steps, all together. */
  readonly busySeconds: number;
}

/** Notes in memory: u64 checksum, f64 committed, f64 seconds, u64 wish, zeros. */
export class Notes {
  readonly #integers: BigUint64Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedMemory) {
    this.#integers = new BigUint64Array(memory.buffer);
    this.#numbers = new Float64Array(memory.buffer);
  }

  write(at: number, { committed, wish, checksum, busySeconds }: Note): void {
    this.#integers[at / 8] = checksum;
    this.#numbers[at / 8 + 1] = committed;
    this.#numbers[at / 8 + 2] = busySeconds;
    this.#integers[at / 8 + 3] = BigInt(wish);
  }

  read(at: number): Note {
    return {
      checksum: this.#integers[at / 8],
      committed: this.#numbers[at / 8 + 1],
      busySeconds: this.#numbers[at / 8 + 2],
      wish: Number(this.#integers[at / 8 + 3]),
    };
  }
}
