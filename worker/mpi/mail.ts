/** Messages between ranks in the main thread: small ones from each to each, and all to all. Nothing here waits. */
import type { Library } from './library.ts';

/** Requests of MPI in memory of their own, each with the bytes that it reads or writes. */
export class Mail {
  readonly #library: Library;
  readonly #send: (...values: number[]) => void;
  readonly #receive: (...values: number[]) => void;
  readonly #gather: (...values: number[]) => void;
  readonly #test: (...values: number[]) => void;
  readonly #flag = new Int32Array(new ArrayBuffer(4));
  /** What MPI may still write to or read from; it must not be collected. */
  readonly #pending = new Set<Pending>();

  constructor(library: Library) {
    this.#library = library;
    const message = ['address', 'int', 'handle', 'int', 'int', 'handle', 'address'] as const;
    this.#send = library.bind('MPI_Isend', message);
    this.#receive = library.bind('MPI_Irecv', message);
    this.#gather = library.bind('MPI_Iallgatherv', [
      ...([
        'address',
        'int',
        'handle',
        'address',
        'address',
        'address',
        'handle',
        'handle',
        'address',
      ] as const),
    ]);
    this.#test = library.bind('MPI_Test', ['address', 'address', 'address']);
  }

  send(bytes: Uint8Array, rank: number, tag: number): Pending {
    return this.#post(this.#send, bytes, rank, tag);
  }

  receive(bytes: Uint8Array, rank: number, tag: number): Pending {
    return this.#post(this.#receive, bytes, rank, tag);
  }

  /** Everybody's block of `bytes` comes to all others, as many bytes as `counts` says, one behind the other. */
  allGather(bytes: Uint8Array, counts: readonly number[]): Pending {
    const { world, byte, inPlace } = this.#library.constants;
    const places = new Int32Array(new ArrayBuffer(8 * counts.length));
    places.set(counts);
    for (let i = 1; i < counts.length; i++)
      places[counts.length + i] = places[counts.length + i - 1] + counts[i - 1];
    const pending = new Pending([bytes, places]);
    const at = this.#library.addressOf(places);
    const blocks = [this.#library.addressOf(bytes), at, at + 4 * counts.length, byte];
    this.#gather(inPlace, 0, byte, ...blocks, world, this.#library.addressOf(pending.request));
    this.#pending.add(pending);
    return pending;
  }

  /** Whether a request is done; asking is also what makes MPI do it. */
  isDone(pending: Pending): boolean {
    if (pending.isDone) return true;
    const { addressOf, constants } = this.#library;
    this.#test(addressOf(pending.request), addressOf(this.#flag), constants.statusIgnore);
    if (this.#flag[0] === 0) return false;
    pending.isDone = true;
    this.#pending.delete(pending);
    return true;
  }

  #post(start: (...values: number[]) => void, bytes: Uint8Array, rank: number, tag: number): Pending {
    const { addressOf, constants } = this.#library;
    const pending = new Pending([bytes]);
    const { world, byte } = constants;
    start(addressOf(bytes), bytes.length, byte, rank, tag, world, addressOf(pending.request));
    this.#pending.add(pending);
    return pending;
  }
}

/** Something that MPI was asked to do. */
export class Pending {
  isDone = false;
  /** An MPI_Request: a pointer or an int. */
  readonly request = new BigInt64Array(new ArrayBuffer(8));
  readonly buffers: readonly ArrayBufferView[];

  constructor(buffers: readonly ArrayBufferView[]) {
    this.buffers = buffers;
  }
}
