/** The benchmark from top to bottom: the limits, then for every recipe and batch size all sides in turns. */
import { availableParallelism, cpus } from 'node:os';
import { version } from '../../shared/version.ts';
import { measureGroup } from './group.ts';
import { measureMemory, raisePeaks } from './limits.ts';
import { type BenchPlan, limitPasses } from './plan.ts';
import type { BenchResult, GroupResult, Limits, Machine } from './results.ts';

export interface BenchHooks {
  readonly signal?: AbortSignal;
  /** What is being done, in a few words. */
  readonly onStatus?: (text: string) => void;
  readonly onLimits?: (limits: Limits) => void;
  /** After the last batch size of a recipe. */
  readonly onRecipe?: (groups: readonly GroupResult[]) => void;
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
  const groups: GroupResult[] = [];
  for (const recipe of plan.recipes) {
    const ofRecipe: GroupResult[] = [];
    for (const draft of recipe.drafts) {
      limits = { ...limits, peaks: raisePeaks(limits.peaks, plan.kernels) };
      ofRecipe.push(await measureGroup({ plan, limits, recipe, draft, signal, onStatus }));
    }
    onRecipe?.(ofRecipe);
    groups.push(...ofRecipe);
  }
  const { rounds, seconds } = plan;
  return { version, machine: machineHere(), rounds, seconds, limits, groups, missing: plan.missing };
}

export function machineHere(): Machine {
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() || 'unknown processor',
    cores: availableParallelism(),
  };
}
