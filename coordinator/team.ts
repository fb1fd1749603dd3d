/** Whoever computes a run: threads of this process, or workers wherever they are. */
import type { Replica } from '../shared/reduction/span.ts';
import type { StepsOutcome, WorkAccount } from '../shared/training.ts';
import type { StepResults } from './ledger.ts';
import type { LiveRun, WorkerNow } from './live-run.ts';

/** What the coordinator needs of them. */
export interface Team {
  /** Steps committed since the run began, also while more are being computed. */
  readonly committed: number;
  readonly replica: Replica;
  readonly deaths: number;
  /** Workers that came from elsewhere, and came back. */
  readonly joins: number;
  readonly shardsRecomputed: number;
  /** True while it waits for workers. */
  readonly isWaiting: boolean;
  workersNow(): readonly WorkerNow[];
  watchSteps: LiveRun['watchSteps'];
  watchRate: LiveRun['watchRate'];
  results(): StepResults;
  /** Waits until training can begin; at once where nobody has to come. */
  gather(): Promise<void>;
  trainSteps(first: number, end: number): Promise<StepsOutcome>;
  evaluate(split: 'train' | 'test'): Promise<void>;
  stop(): void;
  /**
   * Ends `trainSteps` after the step that is being computed, this once. True where that is not needed, because the
   * replica is between two steps whenever anybody here can look at it; nothing happens then.
   */
  pause(): boolean;
  account(): WorkAccount[];
}
