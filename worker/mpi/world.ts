/** All ranks of an MPI job, as the main thread of one of them sees them. */

export interface World {
  readonly rank: number;
  readonly size: number;
  /** What the library calls itself: `Open MPI 4.1.4`. */
  readonly library: string;
  /** The file that was loaded, for {@link bindMpi} in other threads. */
  readonly file: string;
  /**
   * Gives everybody what everybody brings, in the order of ranks. All ranks must call it in the same order; no thread of
   * this process may be in an exchange meanwhile.
   * @throws LockstepError (MPI) naming the ranks that did not come within the deadline
   */
  allGather(bytes: Uint8Array, what: string, deadlineMs: number): Promise<Uint8Array[]>;
  /** Which ranks do not answer: asked when an exchange does not end. Every rank that still waits must ask, too. */
  silentRanks(waitMs: number): Promise<number[]>;
  /** Leaves the job in good order, once all ranks do. */
  finalize(): Promise<void>;
  /** Ends all ranks at once. It does not return. */
  abort(exitCode: number): never;
}
