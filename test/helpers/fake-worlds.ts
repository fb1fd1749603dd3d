/** Ranks of a job in one process, without MPI: what each brings to a gather comes to all. */
import { LockstepError } from '../../shared/errors.ts';
import type { World } from '../../worker/mpi/world.ts';

export interface FakeWorld extends World {
  /** How it ended: by itself, or all of them by an exit code. */
  readonly ends: readonly (number | 'finalized')[];
}

/** What stands for the end of the process. */
export class Aborted extends Error {}

interface FakeOptions {
  /** What a rank brings instead: another version, or nonsense. */
  readonly change?: (bytes: Uint8Array, rank: number, what: string) => Uint8Array;
  /** Why `finalize` fails at a rank; null where it does not. */
  readonly failsAtEnd?: (rank: number) => string | null;
}

export function fakeWorlds(
  size: number,
  { change = (bytes) => bytes, failsAtEnd = () => null }: FakeOptions = {},
): FakeWorld[] {
  const gathers: Gather[] = [];
  return Array.from({ length: size }, (_, rank) => {
    const ends: (number | 'finalized')[] = [];
    let count = 0;
    return {
      ...{ rank, size, library: 'Fake MPI 1.0', file: 'libfake.so', ends },
      allGather: (bytes, what) => {
        gathers[count] ??= new Gather(size);
        return gathers[count++].bring(change(bytes, rank, what), rank);
      },
      silentRanks: async () => [],
      finalize: async () => {
        const reason = failsAtEnd(rank);
        if (reason !== null) throw new LockstepError('MPI', reason);
        ends.push('finalized');
      },
      abort: (exitCode) => {
        ends.push(exitCode);
        throw new Aborted(`all end with ${exitCode}`);
      },
    };
  });
}

class Gather {
  readonly #parts: Uint8Array[] = [];
  readonly #waiting: ((parts: Uint8Array[]) => void)[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  bring(bytes: Uint8Array, rank: number): Promise<Uint8Array[]> {
    this.#parts[rank] = bytes;
    const whole = new Promise<Uint8Array[]>((resolve) => this.#waiting.push(resolve));
    if (this.#waiting.length === this.#size) for (const resolve of this.#waiting) resolve(this.#parts);
    return whole;
  }
}
