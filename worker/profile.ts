/** Where the time of all steps goes: the seconds of each phase, added up. */
import { type Phase, phases } from '../shared/timeline.ts';
import type { PhaseSink } from './phase-clock.ts';

export type PhaseSeconds = Readonly<Record<Phase, number>>;

/** The phases of a thread by name. @param sums seconds in the order of {@link phases} */
export function phaseSeconds(sums: Float64Array): PhaseSeconds {
  return Object.fromEntries(phases.map((phase, i) => [phase, sums[i]])) as Record<Phase, number>;
}

/** Adds up phases. @param sums seconds in the order of {@link phases}; others may read them between two steps */
export function addingTo(sums: Float64Array): PhaseSink {
  return (phase, fromMs, toMs) => {
    sums[phases.indexOf(phase)] += (toMs - fromMs) / 1000;
  };
}
