/**
 * What ranks exchange in a step, and the few MPI functions for it, over one memory. All addresses are byte offsets in that
 * memory; counts and displacements are bytes too (MPI_BYTE) and lie in it as i32, one for each rank. Nothing here blocks.
 */

import { loadLibrary } from './library.ts';

/** Where the blocks lie that go to, or come from, each rank: byte offsets of two arrays of i32, one number for each rank. */
export interface Blocks {
  /** The buffer from whose start displacements count. */
  readonly buffer: number;
  readonly counts: number;
  readonly displacements: number;
}

/** Every rank makes the same exchanges in the same order. They are those of MPI, by which `window-calls.ts` makes them, too. */
export interface RankCalls {
  /**
   * Starts MPI_Ialltoallv: block r of `send` goes to rank r, the block of rank r comes to place r of `receive`.
   * @param request where the request lies until `test` says that it is done, 8 bytes
   * @throws LockstepError (MPI)
   */
  alltoallv(send: Blocks, receive: Blocks, request: number): void;
  /** Starts MPI_Iallgatherv with MPI_IN_PLACE: every rank's block of `receive` comes to all others. */
  allgatherv(receive: Blocks, request: number): void;
  /** Whether a request is done; it must not be tested again then. */
  test(request: number): boolean;
}

/**
 * The calls over a memory, for one thread; each thread binds its own. The main thread has opened the world before, and while
 * this thread is in a call, no other thread of the process is.
 * @param file of the world
 * @param memory must stay where it is, as shared and WebAssembly's memories do; the calls keep it alive
 * @throws LockstepError (MPI)
 */
export function bindMpi(file: string, memory: { readonly buffer: ArrayBufferLike }): RankCalls {
  const library = loadLibrary(file);
  const { world, byte, inPlace, statusIgnore } = library.constants;
  const base = library.addressOf(new Uint8Array(memory.buffer));
  const block = ['address', 'address', 'address', 'handle'] as const;
  const ialltoallv = library.bind('MPI_Ialltoallv', [...block, ...block, 'handle', 'address']);
  const iallgatherv = library.bind('MPI_Iallgatherv', [
    ...(['address', 'int', 'handle'] as const),
    ...([...block, 'handle', 'address'] as const),
  ]);
  const mpiTest = library.bind('MPI_Test', ['address', 'address', 'address']);
  // An ArrayBuffer that is made by itself lies outside of V8's heap and does not move.
  const flag = new Int32Array(new ArrayBuffer(4));
  const flagAddress = library.addressOf(flag);
  const addresses = ({ buffer, counts, displacements }: Blocks) =>
    [base + buffer, base + counts, base + displacements, byte] as const;
  return {
    alltoallv: (send, receive, request) =>
      ialltoallv(...addresses(send), ...addresses(receive), world, base + request),
    allgatherv: (receive, request) =>
      iallgatherv(inPlace, 0, byte, ...addresses(receive), world, base + request),
    test: (request) => {
      mpiTest(base + request, flagAddress, statusIgnore);
      return flag[0] !== 0;
    },
  };
}
