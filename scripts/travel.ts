/** What travelled between workers and the coordinator for steps, joining and evaluations left out. */
import type { WorkAccount } from '../shared/training.ts';

/** Of all workers together. */
export interface Travel {
  /** A step counts once for each worker that got its total. */
  readonly workerSteps: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Gradients that were sent, and the bytes of one. */
  readonly gradients: number;
  readonly gradientBytes: number;
}

/** Adds up what the account says; threads of this process add nothing. */
export function travelOf(work: readonly WorkAccount[]): Travel {
  const sum = (value: (one: WorkAccount) => number) => work.reduce((total, one) => total + value(one), 0);
  return {
    workerSteps: sum(({ steps = 0 }) => steps),
    bytesUp: sum(({ steps = 0, bytesUpPerStep = 0 }) => steps * bytesUpPerStep),
    bytesDown: sum(({ steps = 0, bytesDownPerStep = 0 }) => steps * bytesDownPerStep),
    gradients: sum(({ gradients = 0 }) => gradients),
    gradientBytes: Math.max(0, ...work.map(({ gradientBytes = 0 }) => gradientBytes)),
  };
}

/** What travelled besides gradients and their totals, as a share of these. */
export function besidesOf({ workerSteps, bytesUp, bytesDown, gradients, gradientBytes }: Travel): {
  readonly up: number;
  readonly down: number;
} {
  return {
    up: bytesUp / (gradients * gradientBytes) - 1,
    down: bytesDown / (workerSteps * gradientBytes) - 1,
  };
}

/** `673.0 kB a step and worker: 1.00 gradients, 0.53 % besides`; null where nothing travelled. */
export function travelText(travel: Travel): { readonly up: string; readonly down: string } | null {
  const { workerSteps, bytesUp, bytesDown, gradients } = travel;
  if (workerSteps === 0 || gradients === 0) return null;
  const besides = besidesOf(travel);
  const text = (bytes: number, what: string, share: number) =>
    `${(bytes / workerSteps / 1000).toFixed(1)} kB a step and worker: ${what}, ${(100 * share).toFixed(2)} % besides`;
  return {
    up: text(bytesUp, `${(gradients / workerSteps).toFixed(2)} gradients`, besides.up),
    down: text(bytesDown, 'the total', besides.down),
  };
}
