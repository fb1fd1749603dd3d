/** Early stopping: what each epoch means for it, and when a run is over. Pure functions of what was reported. */
import type { Snapshot, StoppingState } from '../shared/model/snapshot.ts';
import { type Monitor, parseEarlyStopping } from '../shared/recipe/early-stopping.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import type { EpochReport, TestResult } from './reports.ts';
import type { RunState } from './run-state.ts';

/** Where early stopping stands before the first epoch; null where the recipe does not stop early. */
export function newStopping({ earlyStopping }: Recipe): StoppingState | null {
  return earlyStopping === undefined ? null : { best: null, worse: 0 };
}

/**
 * Where it stands after one more epoch.
 * @param takeSnapshot copies the model as it is now, if it is to be kept
 */
export function judgeEpoch(
  { earlyStopping }: Recipe,
  stopping: StoppingState | null,
  report: EpochReport,
  takeSnapshot: () => Snapshot,
): StoppingState | null {
  if (stopping === null || earlyStopping === undefined) return null;
  const { monitor, minDelta } = parseEarlyStopping(earlyStopping, 'earlyStopping');
  const value = monitored(report, monitor);
  const { best } = stopping;
  if (best !== null && !isBetter(monitor, value, best.value, minDelta)) {
    return { best, worse: stopping.worse + 1 };
  }
  return { best: { value, epoch: report.epoch, snapshot: takeSnapshot() }, worse: 0 };
}

/** True once it has been patient enough. */
export function isExhausted({ earlyStopping }: Recipe, stopping: StoppingState | null): boolean {
  if (stopping === null || earlyStopping === undefined) return false;
  return stopping.worse >= parseEarlyStopping(earlyStopping, 'earlyStopping').patience;
}

/** True if nothing is left to train. */
export function isFinished(recipe: Recipe, { epoch, stopping }: RunState): boolean {
  return epoch === recipe.epochs || isExhausted(recipe, stopping);
}

/**
 * What a finished run gives: its last model, or with early stopping its best one; and how that did on the test set,
 * null for a run without epochs.
 */
export function resultOf({ snapshot, stopping, epochs }: RunState): {
  readonly snapshot: Snapshot;
  readonly test: TestResult | null;
  readonly bestEpoch: number | null;
} {
  const best = stopping?.best ?? null;
  const report = best === null ? epochs.at(-1) : epochs.find(({ epoch }) => epoch === best.epoch);
  return {
    snapshot: best?.snapshot ?? snapshot,
    test: report === undefined ? null : { loss: report.testLoss, accuracy: report.testAccuracy },
    bestEpoch: best?.epoch ?? null,
  };
}

/** Whether an epoch did better than another; equally well is not better. */
export function isBetterEpoch(monitor: Monitor, report: EpochReport, other: EpochReport): boolean {
  return isBetter(monitor, monitored(report, monitor), monitored(other, monitor));
}

/** The number that is watched, binary64. */
function monitored({ loss, testLoss, testAccuracy }: EpochReport, monitor: Monitor): number {
  switch (monitor) {
    case 'trainLoss':
      return loss;
    case 'testLoss':
      return testLoss;
    case 'testAccuracy':
      return testAccuracy;
    default:
      return monitor satisfies never;
  }
}

/** By more than so much, in binary64. */
function isBetter(monitor: Monitor, value: number, best: number, minDelta = 0): boolean {
  return (monitor === 'testAccuracy' ? value - best : best - value) > minDelta;
}
