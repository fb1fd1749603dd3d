/**
 * The few MPI functions that a training needs, over one memory. All addresses are byte offsets in that memory; counts and
 * displacements are bytes too (MPI_BYTE) and lie in it as i32, one for each rank. Nothing here blocks.
 */

/** Where the blocks lie that go to, or come from, each rank: byte offsets of two arrays of i32, one number for each rank. */
export interface Blocks {
  /** The buffer from whose start displacements count. */
  readonly buffer: number;
  readonly counts: number;
  readonly displacements: number;
}

export interface MpiCalls {
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
