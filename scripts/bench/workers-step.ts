/** A step with workers elsewhere: where its time goes, and what travels. */
import type { FleetPhase } from '../../shared/timeline.ts';
import { besidesOf, type Travel } from '../travel.ts';

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

/** What all steps until some moment came to. */
export interface WorkersTotals {
  readonly steps: number;
  /** Seconds that workers computed. */
  readonly computing: number;
  readonly coordinator: Readonly<Record<FleetPhase, number>>;
  readonly travel: Travel;
}

/** What the steps between two moments came to. @param seconds that they took */
export function workersStep(before: WorkersTotals, after: WorkersTotals, seconds: number): WorkersStep {
  const steps = after.steps - before.steps;
  const step = seconds / steps;
  const phase = (name: FleetPhase) => (after.coordinator[name] - before.coordinator[name]) / steps;
  const travelled = (key: keyof Travel) => after.travel[key] - before.travel[key];
  const { gradientBytes } = after.travel;
  const travel: Travel = {
    workerSteps: travelled('workerSteps'),
    bytesUp: travelled('bytesUp'),
    bytesDown: travelled('bytesDown'),
    gradients: travelled('gradients'),
    gradientBytes,
  };
  const { workerSteps } = travel;
  const computing = (after.computing - before.computing) / workerSteps;
  const [merging, sending, update] = [phase('merging'), phase('sending'), phase('update')];
  const besides = besidesOf(travel);
  return {
    worker: { computing, rest: step - computing },
    coordinator: { merging, sending, update, waiting: step - merging - sending - update },
    bytesUp: travel.bytesUp / workerSteps,
    bytesDown: travel.bytesDown / workerSteps,
    gradients: travel.gradients / workerSteps,
    gradientBytes,
    besidesUp: besides.up,
    besidesDown: besides.down,
  };
}
