/** The time of a step, phase by phase. */
import { type Phase, phases, type TimelineSegment } from '../../../../shared/timeline.ts';

/** Milliseconds by phase, in the order of `phases`. */
export function phaseTimes(segments: readonly TimelineSegment[]): ReadonlyMap<Phase, number> {
  const times = new Map<Phase, number>(phases.map((phase) => [phase, 0]));
  for (const { phase, from, to } of segments) times.set(phase, (times.get(phase) ?? 0) + (to - from));
  return times;
}

/** Milliseconds from the beginning of a step to the end of its last segment at any of its workers. */
export function stepLength(workers: readonly { threads: readonly (readonly TimelineSegment[])[] }[]): number {
  let length = 0;
  for (const { threads } of workers) {
    for (const segments of threads) length = Math.max(length, segments.at(-1)?.to ?? 0);
  }
  return length;
}
