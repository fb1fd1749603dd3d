/**
 * Exchanges of ranks that see each other's memory: everyone says that what he has is there, and takes what is his where it lies.
 * They are over as those of MPI are, when nobody needs anybody's memory any more.
 */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import { type RankPlace, signalBytes, windowsOf } from '../../shared/model/rank-plan.ts';
import type { Blocks, RankCalls } from './calls.ts';

/** An exchange that has begun. */
interface Exchange {
  readonly number: number;
  take(): void;
}

export class WindowCalls implements RankCalls {
  readonly #bytes: Uint8Array;
  readonly #integers: Int32Array;
  /** Where the others' windows are, from the own one. */
  readonly #distances: readonly { readonly rank: number; readonly bytes: number }[];
  /** Words: how many exchanges a rank has begun, and from how many it has taken what is for it. */
  readonly #begun: WordOfRanks;
  readonly #taken: WordOfRanks;
  /** What is begun here and not taken, in order. */
  readonly #waiting: Exchange[] = [];
  /** By request, the exchange that it stands for. */
  readonly #numbers = new Map<number, number>();
  #last = 0;

  /** @param place of a rank whose windows are open, and whose signals are zero */
  constructor(memory: SharedMemory, place: RankPlace) {
    const { ranks, window, signals } = place;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#integers = new Int32Array(memory.buffer);
    const all = windowsOf(place).map((at, rank) => ({ rank, bytes: at - window }));
    this.#distances = all.filter(({ rank }) => rank !== ranks.rank);
    const wordAt = (at: number) => ({
      own: at / 4,
      others: this.#distances.map(({ bytes }) => (at + bytes) / 4),
    });
    this.#begun = wordAt(signals);
    this.#taken = wordAt(signals + signalBytes / 2);
  }

  /** Nothing is copied: it is merged where it lies. */
  alltoallv(_send: Blocks, _receive: Blocks, request: number): void {
    this.#begin(request, () => {});
  }

  /** The buffer must lie in the window. */
  allgatherv({ buffer, counts, displacements }: Blocks, request: number): void {
    this.#begin(request, () => {
      for (const { rank, bytes } of this.#distances) {
        const at = buffer + this.#integers[displacements / 4 + rank];
        this.#bytes.copyWithin(at, at + bytes, at + bytes + this.#integers[counts / 4 + rank]);
      }
    });
  }

  test(request: number): boolean {
    const number = this.#numbers.get(request);
    if (number === undefined) throw new Error(`no exchange is under way at request ${request}`);
    this.#takeAll();
    // The others may have come between two looks: that they have taken does not mean that this one has.
    const isTaken = this.#waiting.length === 0 || isBefore(number, this.#waiting[0].number);
    return isTaken && this.#areAt(this.#taken, number);
  }

  #begin(request: number, take: () => void): void {
    this.#last = (this.#last + 1) | 0;
    this.#numbers.set(request, this.#last);
    this.#waiting.push({ number: this.#last, take });
    Atomics.store(this.#integers, this.#begun.own, this.#last);
  }

  /** Takes from the exchanges that all others have begun, too. */
  #takeAll(): void {
    while (this.#waiting.length > 0 && this.#areAt(this.#begun, this.#waiting[0].number)) {
      const [{ number, take }] = this.#waiting.splice(0, 1);
      take();
      Atomics.store(this.#integers, this.#taken.own, number);
    }
  }

  /** Whether all others have come so far. */
  #areAt({ others }: WordOfRanks, number: number): boolean {
    for (const word of others) if (isBefore(Atomics.load(this.#integers, word), number)) return false;
    return true;
  }
}

/** Numbers of exchanges are i32, of which the largest is followed by the smallest. */
function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** Indices of a word of this rank and of the same word of all others. */
interface WordOfRanks {
  readonly own: number;
  readonly others: readonly number[];
}
