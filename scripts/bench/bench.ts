/** The benchmark from top to bottom: the limits, then for every recipe and batch size all sides in turns. */
import { availableParallelism, cpus } from 'node:os';
import { version } from '../../shared/version.ts';
import { measureGroup } from './group.ts';
import { measureMemory, raisePeaks } from './limits.ts';
import { type BenchPlan, limitPasses } from './plan.ts';
import {
  type BenchResult,
  besidePeaks,
  type GroupResult,
  type Limits,
  type Machine,
  type MeasuredGroup,
} from './results.ts';

export interface BenchHooks {
  readonly signal?: AbortSignal;
  /** What is being done, in a few words. */
  readonly onStatus?: (text: string) => void;
  readonly onLimits?: (limits: Limits) => void;
  /** After the last batch size of a recipe, with the limits as they are known by then. */
  readonly onRecipe?: (groups: readonly GroupResult[], limits: Limits) => void;
}

/**
 * Runs it.
 * @throws LockstepError (USAGE, DATA, DIVERGED, TEAM), or the signal's reason; nothing is left running then
 */
export async function runBench(
  plan: BenchPlan,
  { signal, onStatus, onLimits, onRecipe }: BenchHooks = {},
): Promise<BenchResult> {
  onStatus?.('the limits of this machine');
  let peaks = raisePeaks({}, plan.kernels);
  const memory = measureMemory();
  for (let pass = 1; pass < limitPasses; pass++) peaks = raisePeaks(peaks, plan.kernels);
  let limits: Limits = { peaks, memory };
  onLimits?.(limits);
  const machine = machineHere();
  const besideLimits = (some: readonly MeasuredGroup[]) =>
    some.map((group) => besidePeaks(group, limits.peaks, machine.cores));
  const groups: MeasuredGroup[] = [];
  for (const recipe of plan.recipes) {
    const ofRecipe: MeasuredGroup[] = [];
    for (const draft of recipe.drafts) {
      limits = { ...limits, peaks: raisePeaks(limits.peaks, plan.kernels) };
      ofRecipe.push(await measureGroup({ plan, recipe, draft, signal, onStatus }));
    }
    onRecipe?.(besideLimits(ofRecipe), limits);
    groups.push(...ofRecipe);
  }
  const { rounds, seconds } = plan;
  // Shares of the peaks that are in the result, however many rose since a group was measured.
  return { version, machine, rounds, seconds, limits, groups: besideLimits(groups), missing: plan.missing };
}

export function machineHere(): Machine {
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() || 'unknown processor',
    cores: availableParallelism(),
  };
}
