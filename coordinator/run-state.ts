/** All that a run needs to go on from between two steps: what a checkpoint holds and the state digest is of. */
import type { Snapshot, TrainingState } from '../shared/model/snapshot.ts';
import type { EpochReport } from './reports.ts';

/** Where early stopping stands, with the best model so far. */
export interface StoppingState {
  /** The monitored number of the best epoch, and that epoch; null before the first. */
  readonly best: { readonly value: number; readonly epoch: number; readonly snapshot: Snapshot } | null;
  /** Epochs since then that were not better. */
  readonly worse: number;
}

export interface RunState extends TrainingState {
  /** Parameters, running statistics and counters. */
  readonly snapshot: Snapshot;
  /** What was reported of the epochs that are done. */
  readonly epochs: readonly EpochReport[];
  /** Null where the recipe does not stop early. */
  readonly stopping: StoppingState | null;
}
