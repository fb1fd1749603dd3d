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

/** One step as one worker computed it, thread by thread. */
export interface WorkerTimeline {
  readonly id: string;
  readonly name: string;
  readonly threads: readonly (readonly TimelineSegment[])[];
}

export interface StepTimeline {
  readonly step: number;
  readonly workers: readonly WorkerTimeline[];
}
