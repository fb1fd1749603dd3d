/** What can be seen of a run at any moment, whoever computes it: for the terminal, the page and the metrics. */
import type { StepListener, WatchRate } from '../shared/step-listeners.ts';
import type { WorkAccount } from '../shared/training.ts';
import type { Run } from './prepare.ts';
import type { Position } from './reports.ts';

/**
 * - `joining`: it gets data and replica, and takes no part yet
 * - `working`: it takes part
 * - `late`: it missed a deadline; others compute what it had
 * - `behind`: its connection does not take what it is sent
 * - `gone`: it took part, and its connection is closed
 */
export type WorkerState = 'joining' | 'working' | 'late' | 'behind' | 'gone';

/** A worker as it is now. The threads of this process are one, too. */
export interface WorkerNow {
  /** The same when it comes back. */
  readonly id: string;
  readonly name: string;
  /** Null for the threads of this process. */
  readonly address: string | null;
  /** Its place among those that take part, null for one that takes none. */
  readonly rank: number | null;
  readonly threads: number;
  readonly kernels: string;
  readonly state: WorkerState;
  /** What it is to compute of a whole batch: shards `lo … hi−1`; null where nothing is planned. */
  readonly share: { readonly lo: number; readonly hi: number } | null;
  /** Shards computed in committed steps of the whole run, and the seconds spent on them, waiting left out. */
  readonly shards: number;
  readonly seconds: number;
  /** From a message to it to its answer; null where that is not known. */
  readonly delayMs: number | null;
  /** Since it was last heard of; null for one that is gone or here. */
  readonly silentMs: number | null;
}

/** Who did what, and what went wrong, since this process took the run up. */
export interface RunAccount {
  readonly work: readonly WorkAccount[];
  /** Threads or workers that died, and the shards that were computed again for it. */
  readonly deaths: number;
  readonly shardsRecomputed: number;
  /** Workers that came, or came back; the threads of a coordinator's own process are one. */
  readonly joins: number;
}

/** What a run is busy with. `waiting`: for workers, before the first step or later. */
export type Activity = 'waiting' | 'training' | 'evaluating' | 'over';

export interface LiveRun {
  readonly run: Run;
  activity(): Activity;
  position(): Position;
  /** Steps committed since the run began. */
  committed(): number;
  /** Those that take part by rank, then those that do not. */
  workers(): readonly WorkerNow[];
  account(): RunAccount;
  /**
   * A copy of the flat vector (parameters and running statistics) after so many steps; null where the run is too fast to
   * copy it between two steps just now.
   */
  flat(): { readonly steps: number; readonly flat: Float32Array } | null;
  /**
   * Has a step timed now and then, thread by thread, and tells of it, until what is returned is called.
   * @param rate twice a second, if nothing is said
   */
  watchSteps(listener: StepListener, rate?: WatchRate): () => void;
  /** What is told to one who wants so much: workers elsewhere say less. */
  watchRate(wanted: WatchRate): WatchRate;
}
