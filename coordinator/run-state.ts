/** All that a run needs to go on from between two steps: what a checkpoint holds and the state digest is of. */
import type { Snapshot, StoppingState, TrainingState } from '../shared/model/snapshot.ts';
import type { EpochReport } from './reports.ts';

export interface RunState extends TrainingState {
  /** Parameters, running statistics and counters. */
  readonly snapshot: Snapshot;
  /** What was reported of the epochs that are done. */
  readonly epochs: readonly EpochReport[];
  /** Null where the recipe does not stop early. */
  readonly stopping: StoppingState | null;
  /** The chain's digest after the last step (chain.ts), in hexadecimal. */
  readonly chain: string;
}
