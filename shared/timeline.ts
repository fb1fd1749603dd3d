/** Where the time of a step goes: the phases of a thread, one after the other. */

/**
 * In the order of a step. `exchange`: partials and totals of batch normalisation; `update`: gradients and update, which
 * are one where they are fused; `waiting`: at barriers; `other`: between the steps and their parts.
 */
export const phases = [
  'gather',
  'forward',
  'loss',
  'exchange',
  'backward',
  'update',
  'waiting',
  'other',
] as const;
export type Phase = (typeof phases)[number];

export interface TimelineSegment {
  readonly phase: Phase;
  /** Milliseconds from the beginning of the step at that worker. */
  readonly from: number;
  readonly to: number;
}

/** One step as the threads of one process computed it, by rank. */
export interface ThreadTimelines {
  /** When the first of them began, on the clock of the process that tells of it (`performance.now`). */
  readonly startMs: number;
  /** Each without gaps and overlaps. */
  readonly threads: readonly (readonly TimelineSegment[])[];
}

/** One step as one worker computed it, thread by thread. */
export interface WorkerTimeline extends ThreadTimelines {
  readonly id: string;
  readonly name: string;
}

export interface StepTimeline {
  /** Counted from 1 over the whole run. */
  readonly step: number;
  readonly workers: readonly WorkerTimeline[];
  /** Where workers are elsewhere. */
  readonly coordinator?: CoordinatorTimeline;
}

/** What the coordinator is busy with in a step; all else is waiting for workers, and reading what they send. */
export type FleetPhase = 'merging' | 'sending' | 'update';

/** A step as the coordinator saw it; milliseconds from its beginning there. */
export interface CoordinatorTimeline {
  readonly startMs: number;
  readonly ms: number;
  readonly segments: readonly { readonly phase: FleetPhase; readonly from: number; readonly to: number }[];
  /** Partials that came, and totals that were sent. */
  readonly messages: readonly {
    readonly kind: 'partial' | 'total';
    readonly worker: string;
    readonly exchange: number;
    readonly bytes: number;
    readonly at: number;
  }[];
}
