/** What a run tells while it goes on, and what it ends with. */
import type { Snapshot } from '../shared/model/snapshot.ts';
import type { WorkAccount } from '../shared/training.ts';
import type { Evaluation } from './evaluation.ts';
import type { LiveRun } from './live-run.ts';
import type { Run } from './prepare.ts';
import type { RunState } from './run-state.ts';

export interface StepReport {
  /** Counted from 1. */
  readonly epoch: number;
  /** Counted from 1 over the whole run. */
  readonly step: number;
  /** Samples of this step. */
  readonly samples: number;
  /** Average loss of the step's samples before its update. */
  readonly loss: number;
  /** Share of them that were predicted right then, 0 … 1. */
  readonly accuracy: number;
  readonly seconds: number;
  /** The chain's digest after this step (chain.ts): equal digests, equal steps until here. In hexadecimal. */
  readonly digest: string;
}

export interface EpochReport {
  readonly epoch: number;
  /** Steps since the run began. */
  readonly steps: number;
  /** Average loss of the epoch's samples while it trained, and its change from the epoch before. */
  readonly loss: number;
  readonly change: number | null;
  readonly testLoss: number;
  readonly testAccuracy: number;
  /** Seconds of training, evaluation left out, and what was trained before the run went on here. */
  readonly seconds: number;
  readonly samplesPerSecond: number;
}

/** Where a run is, for whoever shows it. */
export interface Position {
  readonly epoch: number;
  /** Steps done in the epoch, and those of them that were before the run went on here. */
  readonly step: number;
  readonly first: number;
  /** Seconds since the epoch began. */
  readonly seconds: number;
  /** Loss of the last step, null before the first. */
  readonly loss: number | null;
}

/** What a run was busy with, once it is over; on the clock of `performance.now`. */
export interface Period {
  /** `gathering`: waiting for workers to begin with. */
  readonly kind: 'gathering' | 'training' | 'evaluation';
  /** The epoch, counted from 1; of an evaluation, the one that is over. */
  readonly epoch: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A callback may stop the run after what it was called for by giving back false, at once or as a promise. */
type Callback<T> = (report: T) => unknown;

export interface Hooks {
  readonly onStep?: Callback<StepReport> | undefined;
  readonly onEpoch?: Callback<EpochReport> | undefined;
  /** Called with every step in order, in bunches, without holding the run up. */
  readonly onSteps?: ((reports: readonly StepReport[]) => void) | undefined;
  /** Called with what the test set says of a model, once for each model that is evaluated. */
  readonly onEvaluation?: ((evaluation: Evaluation, steps: number) => void) | undefined;
  /** Called with what the run was busy with, whenever that changes. */
  readonly onPeriod?: ((period: Period) => void) | undefined;
  /** Called once and waited for, with what will be trained and a look at it at any moment. */
  readonly onStart?: ((run: Run, live: LiveRun) => unknown) | undefined;
  /** Ends the run after the step that is being computed. */
  readonly signal?: AbortSignal | undefined;
}

/** What ended a run before its last epoch; after early stopping it is finished nevertheless. */
export type StoppedBy = 'signal' | 'callback' | 'earlyStopping';

/** What the test set says of a model: average loss, and share of right predictions (0 … 1). */
export type TestResult = Pick<Evaluation, 'loss' | 'accuracy'>;

/** How often a run is kept beside every epoch's end: after so many steps, counted from its first, or so much time. */
export type KeepEvery =
  | { readonly kind: 'steps'; readonly steps: number }
  | { readonly kind: 'time'; readonly ms: number };

/** Whoever keeps a run, so that it can go on after the end of this process. */
export interface Keeping {
  readonly every: KeepEvery | null;
  /** Takes what the run needs to go on, and is back before there is anything to wait for: it writes later. */
  keep(state: RunState): void;
  /** What was kept after so many steps of the run, and later, is wrong and must not be gone on from. */
  discard?(steps: number): void;
}

export interface Outcome {
  readonly recipeId: string;
  readonly snapshot: Snapshot;
  readonly weightsDigest: string;
  readonly stateDigest: string;
  /** The chain's last digest (chain.ts). */
  readonly chain: string;
  readonly epochs: readonly EpochReport[];
  /** Steps done since the run began, and those of them that were computed here. */
  readonly steps: number;
  readonly stepsComputed: number;
  /** Samples of the steps that were computed here. */
  readonly samples: number;
  /** Seconds of training, from the first step's start to the last one's end, without what is between epochs. */
  readonly trainSeconds: number;
  readonly test: TestResult;
  /** The epoch whose model this is, where early stopping chose it. */
  readonly bestEpoch: number | null;
  readonly stoppedBy: StoppedBy | null;
  readonly work: readonly WorkAccount[];
  /** Threads or workers that died, and the shards that were computed again for it. */
  readonly deaths: number;
  readonly joins: number;
  readonly shardsRecomputed: number;
}
