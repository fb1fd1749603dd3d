/** What computes for a worker: a team of threads, or its main thread alone. */
import type { TreeNode } from '../shared/reduction/tree.ts';
import type { Recorded } from './recording.ts';
import type { WorkerMemory } from './worker-memory.ts';

export interface Crew {
  /**
   * Computes the partials of tree nodes at an exchange of a step: `begin` from the step's start; `extend`, the same
   * beside what is held; `advance`, with all that is held, from the exchange before. Hands each partial over as a view of
   * memory that is good until `take` returns.
   * @param step its number in the epoch
   */
  compute(
    how: 'begin' | 'extend' | 'advance',
    step: number,
    exchange: number,
    nodes: readonly TreeNode[],
    take: (node: TreeNode, partial: Uint8Array) => void,
  ): Promise<void>;
  /** Makes a step's update from the total gradient in memory; the new replica is current then. */
  apply(step: number): Promise<void>;
  /** Evaluates some shards; losses and predictions are in memory afterwards. */
  evaluate(split: 'test', shards: { readonly from: number; readonly to: number }): Promise<void>;
  /** Takes the replica before so many steps as the current one. */
  resumeAt(committed: number): void;
  /** From now on records steps before which a multiple of so many were committed; 0: none. */
  record(every: number): void;
  /** The steps that were recorded since the last time. */
  recorded(): Recorded[];
}

/** What of a worker's memory the messages of a run are about. */
export type RunMemory = Pick<
  WorkerMemory,
  'totalBytes' | 'enterStep' | 'replicaChunk' | 'checksum' | 'updateChecksum' | 'writeTotal' | 'evaluationOf'
>;

/** What a worker computes with once it knows the recipe. */
export interface Prepared {
  readonly memory: RunMemory;
  readonly crew: Crew;
}
