/** A step with workers elsewhere: where its time goes, and what travels. */
import type { FleetPhase } from '../../coordinator/fleet-profile.ts';
import type { WorkAccount } from '../../shared/training.ts';

/** Of one step, averaged over steps and workers. */
export interface WorkersStep {
  /** Seconds: until its partials are there; the rest is its update, sending, and waiting for totals. */
  readonly worker: { readonly computing: number; readonly rest: number };
  /** Seconds; what is left is waiting for workers, and reading what they send. */
  readonly coordinator: Readonly<Record<FleetPhase, number>> & { readonly waiting: number };
  /** Bytes with the headers of WebSockets. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Gradients that a worker sends, one for each node of the tree that covers its shards, and the bytes of one. */
  readonly gradients: number;
  readonly gradientBytes: number;
  /** All that travels besides gradients and totals of gradients, as a share of these. */
  readonly besidesUp: number;
  readonly besidesDown: number;
}

/** What all steps until now came to. */
export interface WorkersTotals extends WorkersSums {
  readonly steps: number;
  readonly coordinator: Readonly<Record<FleetPhase, number>>;
}

interface WorkersSums {
  readonly workers: number;
  readonly computing: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly gradients: number;
  readonly gradientBytes: number;
}

/** Adds up what all workers did and what travelled for their steps; joining is left out. */
export function sumSteps(work: readonly WorkAccount[]): WorkersSums {
  const sum = (value: (one: WorkAccount) => number) => work.reduce((total, one) => total + value(one), 0);
  return {
    workers: work.length,
    computing: sum(({ seconds }) => seconds),
    bytesUp: sum(({ steps = 0, bytesUpPerStep = 0 }) => steps * bytesUpPerStep),
    bytesDown: sum(({ steps = 0, bytesDownPerStep = 0 }) => steps * bytesDownPerStep),
    gradients: sum(({ gradients = 0 }) => gradients),
    gradientBytes: work[0]?.gradientBytes ?? 0,
  };
}

/** What the steps between two moments came to. @param seconds that they took */
export function workersStep(before: WorkersTotals, after: WorkersTotals, seconds: number): WorkersStep {
  const { workers, gradientBytes } = after;
  const steps = after.steps - before.steps;
  const step = seconds / steps;
  const ofWorker = (key: 'computing' | 'bytesUp' | 'bytesDown' | 'gradients') =>
    (after[key] - before[key]) / steps / workers;
  const ofPhase = (phase: FleetPhase) => (after.coordinator[phase] - before.coordinator[phase]) / steps;
  const [computing, bytesUp, bytesDown, gradients] = [
    ofWorker('computing'),
    ofWorker('bytesUp'),
    ofWorker('bytesDown'),
    ofWorker('gradients'),
  ];
  const [merging, sending, update] = [ofPhase('merging'), ofPhase('sending'), ofPhase('update')];
  return {
    worker: { computing, rest: step - computing },
    coordinator: { merging, sending, update, waiting: step - merging - sending - update },
    bytesUp,
    bytesDown,
    gradients,
    gradientBytes,
    besidesUp: bytesUp / (gradients * gradientBytes) - 1,
    besidesDown: bytesDown / gradientBytes - 1,
  };
}
