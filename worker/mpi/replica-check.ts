/** A checksum of what lies in memory of a replica, taken by all threads over it, each of a part. */
import type { Kernels } from '../../shared/kernels/kernels.ts';
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import { checksumBytes, type RankPlace } from '../../shared/model/rank-plan.ts';
import { sliceUnit } from '../../shared/model/tensors.ts';
import type { Replica } from '../../shared/reduction/span.ts';

export interface ReplicaCheckOptions {
  readonly memory: SharedMemory;
  readonly place: Pick<RankPlace, 'checksums'>;
  readonly training: {
    readonly kernels: Pick<Kernels, 'checksum'>;
    readonly architecture: { readonly flatSize: number };
  };
  readonly thread: number;
  readonly threads: number;
}

export class ReplicaCheck {
  readonly #options: ReplicaCheckOptions;
  readonly #sums: BigUint64Array;
  readonly #from: number;
  readonly #to: number;

  constructor(options: ReplicaCheckOptions) {
    const { memory, training, thread, threads } = options;
    const { flatSize } = training.architecture;
    const cut = (part: number) => Math.floor((flatSize * part) / threads / sliceUnit) * sliceUnit;
    this.#options = options;
    this.#sums = new BigUint64Array(memory.buffer);
    this.#from = cut(thread);
    this.#to = thread === threads - 1 ? flatSize : cut(thread + 1);
  }

  /** Reads this thread's part of the flat vector. */
  read({ flat }: Replica): void {
    const at = this.#at(this.#options.thread);
    this.#sums[at / 8] = 0n;
    this.#options.training.kernels.checksum(flat + 4 * this.#from, this.#to - this.#from, this.#from, at);
  }

  /** Of the whole flat vector, once all threads have read their parts. */
  get checksum(): bigint {
    let sum = 0n;
    for (let thread = 0; thread < this.#options.threads; thread++) sum += this.#sums[this.#at(thread) / 8];
    return BigInt.asUintN(64, sum);
  }

  #at(thread: number): number {
    return this.#options.place.checksums + checksumBytes * thread;
  }
}
