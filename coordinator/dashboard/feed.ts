/**
 * What the coordinator tells the page in the browser: lines of JSON over one answer that does not end, each one of these
 * messages. The first is `run`, with all that was before it; the page needs no other. Types only: both sides import this.
 */
import type { StepTimeline } from '../../shared/timeline.ts';
import type { Activity, WorkerNow } from '../live-run.ts';

/** Some consecutive steps as one point of a curve. */
export interface StepPoint {
  /** The last of its steps, counted from 1 over the whole run. */
  readonly step: number;
  /** Epochs at that step: 1.5 is the middle of the second. */
  readonly epoch: number;
  /** Seconds of training until then, what is between epochs left out. */
  readonly seconds: number;
  /** Average over the samples of its steps, and the least and greatest of a single step. */
  readonly loss: number;
  readonly lossMin: number;
  readonly lossMax: number;
  /** Share of the samples that were predicted right before the update, 0 … 1; null where that is not known. */
  readonly accuracy: number | null;
  /** Of these steps, and of as many before them as make up half a second of training. */
  readonly samplesPerSecond: number;
}

export interface EpochPoint {
  readonly epoch: number;
  readonly step: number;
  /** On the same clock as {@link StepPoint}. */
  readonly seconds: number;
  readonly loss: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly samplesPerSecond: number;
}

/** A worker as the page shows it. */
export interface WorkerPoint extends Omit<WorkerNow, 'seconds'> {
  readonly samplesPerSecond: number;
}

export interface BatchNormPoint {
  /** Of the layer, as its tensors are named: `2` of `2.running_mean`. */
  readonly layer: string;
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

export interface RunFacts {
  readonly version: string;
  readonly recipeName: string;
  readonly recipeId: string;
  /** What decides the bits, as in `recipe.json`. */
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly model: string;
  readonly scale: string;
  readonly epochs: number;
  /** Of an epoch. */
  readonly steps: number;
  readonly batchSize: number;
  readonly samples: number;
  readonly parameters: number;
  readonly kernels: string;
}

export interface Confusion {
  /** Epochs at that step: 1.5 is the middle of the second. */
  readonly epoch: number;
  readonly step: number;
  /** Row: label, column: prediction. */
  readonly counts: readonly (readonly number[])[];
}

export type FeedMessage =
  /** Everything so far. Another `run` may follow, and replaces all. */
  | {
      readonly type: 'run';
      readonly facts: RunFacts;
      readonly points: readonly StepPoint[];
      readonly epochs: readonly EpochPoint[];
      readonly events: readonly RunEvent[];
      readonly confusion: Confusion | null;
    }
  /** Points that replace those of the page from the `from`-th on. */
  | { readonly type: 'points'; readonly from: number; readonly points: readonly StepPoint[] }
  | { readonly type: 'epoch'; readonly epoch: EpochPoint }
  | {
      readonly type: 'now';
      readonly activity: Activity;
      /** What is waited for, in words. */
      readonly waitingFor: string | null;
      readonly epoch: number;
      /** Steps done in the epoch, and in the run. */
      readonly stepOfEpoch: number;
      readonly step: number;
      readonly loss: number | null;
      readonly samplesPerSecond: number;
      /** Until the end, as far as can be said. */
      readonly secondsLeft: number | null;
      readonly workers: readonly WorkerPoint[];
    }
  | { readonly type: 'batchNorm'; readonly step: number; readonly layers: readonly BatchNormPoint[] }
  | { readonly type: 'confusion'; readonly confusion: Confusion }
  | { readonly type: 'timeline'; readonly steps: readonly StepTimeline[] }
  | { readonly type: 'event'; readonly event: RunEvent }
  /** The run is over, and so is this answer. */
  | {
      readonly type: 'over';
      readonly how: 'finished' | 'stopped' | 'failed';
      readonly reason: string;
      /** The model with which it ended; none where it failed. */
      readonly model?: EndModel;
    };

export interface EndModel {
  readonly weightsDigest: string;
  /** Whether these are the bits that everybody gets; null where none are published of this recipe, or it was stopped. */
  readonly isPublished: boolean | null;
}

/** Something that happened to a worker or the run, in words. */
export interface RunEvent {
  readonly step: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly text: string;
}
