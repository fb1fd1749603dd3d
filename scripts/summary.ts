/** What a training came to, as one JSON object; scripts rely on its fields. */
import type { Run } from '../coordinator/prepare.ts';
import type { Outcome, StoppedBy } from '../coordinator/reports.ts';
import type { WorkAccount } from '../shared/training.ts';

export interface Summary {
  readonly recipeId: string;
  readonly weightsDigest: string;
  readonly stateDigest: string;
  /** The last digest of the chain of step digests: equal chains, equal steps. */
  readonly chain: string;
  /** Epochs and steps done. */
  readonly epochs: number;
  readonly steps: number;
  /** Average training loss by epoch. */
  readonly trainLoss: readonly number[];
  readonly testLoss: number;
  /** 0 … 1. */
  readonly testAccuracy: number;
  /** From the call to the result, everything included. */
  readonly seconds: number;
  readonly threads: number;
  /** Remote workers. */
  readonly workers: number;
  readonly kernels: string;
  /** Samples by seconds of training, evaluation left out; null without steps. */
  readonly samplesPerSecond: number | null;
  readonly work: readonly WorkAccount[];
  /** The step that a resumed run went on from. */
  readonly resumedAtStep: number | null;
  readonly stepsComputed: number;
  readonly shardsRecomputed: number;
  readonly deaths: number;
  readonly joins: number;
  readonly stoppedBy: StoppedBy | null;
}

/** @param team threads of this process that computed, and how many workers took part beside them */
export function summarise(
  run: Run,
  outcome: Outcome,
  seconds: number,
  team: Pick<Summary, 'threads' | 'workers'>,
): Summary {
  return {
    recipeId: outcome.recipeId,
    weightsDigest: outcome.weightsDigest,
    stateDigest: outcome.stateDigest,
    chain: outcome.chain,
    epochs: outcome.epochs.length,
    steps: outcome.steps,
    trainLoss: outcome.epochs.map(({ loss }) => loss),
    testLoss: outcome.test.loss,
    testAccuracy: outcome.test.accuracy,
    seconds,
    ...team,
    kernels: run.kernels.set,
    samplesPerSecond: outcome.steps === 0 ? null : outcome.samples / outcome.trainSeconds,
    work: outcome.work,
    resumedAtStep: null,
    stepsComputed: outcome.steps,
    shardsRecomputed: outcome.shardsRecomputed,
    deaths: outcome.deaths,
    joins: outcome.joins,
    stoppedBy: outcome.stoppedBy,
  };
}
