/** What a training came to, as one JSON object; scripts rely on its fields. */
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
  /** The epoch whose weights early stopping brought back; null where the last are the result. */
  readonly bestEpoch: number | null;
  /** From the call to the result, everything included. */
  readonly seconds: number;
  readonly threads: number;
  /** Remote workers. */
  readonly workers: number;
  readonly kernels: string;
  /** Samples by seconds of training, evaluation left out; null without steps. */
  readonly samplesPerSecond: number | null;
  readonly work: readonly WorkAccount[];
  /** The step that a resumed run went on from, null for one that was not; and the steps computed since then. */
  readonly resumedAtStep: number | null;
  readonly stepsComputed: number;
  readonly shardsRecomputed: number;
  readonly deaths: number;
  readonly joins: number;
  readonly stoppedBy: StoppedBy | null;
}

/** @param how threads of this process that computed, how many workers took part beside them, and the like */
export function summarise(
  outcome: Outcome,
  seconds: number,
  how: Pick<Summary, 'threads' | 'workers' | 'kernels' | 'resumedAtStep'>,
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
    bestEpoch: outcome.bestEpoch,
    seconds,
    threads: how.threads,
    workers: how.workers,
    kernels: how.kernels,
    samplesPerSecond: outcome.stepsComputed === 0 ? null : outcome.samples / outcome.trainSeconds,
    work: outcome.work,
    resumedAtStep: how.resumedAtStep,
    stepsComputed: outcome.stepsComputed,
    shardsRecomputed: outcome.shardsRecomputed,
    deaths: outcome.deaths,
    joins: outcome.joins,
    stoppedBy: outcome.stoppedBy,
  };
}
