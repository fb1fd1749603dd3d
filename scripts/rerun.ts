/** Steps of a stored run, computed again on the threads of this process. */
import { coordinate } from '../coordinator/coordinator.ts';
import { newStopping } from '../coordinator/early-stopping.ts';
import type { Rerunning } from '../coordinator/investigation.ts';
import { prepareRun, type Run } from '../coordinator/prepare.ts';
import type { RunState } from '../coordinator/run-state.ts';
import type { DatasetSource } from '../shared/data/dataset.ts';
import { dataError } from '../shared/errors.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import { type Snapshot, takeSnapshot } from '../shared/model/snapshot.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import type { Label } from '../shared/recipe/resolve.ts';
import { Team } from '../worker/team.ts';

export interface RerunOptions {
  readonly source: DatasetSource;
  readonly kernels: LoadedKernels;
  readonly threads: number;
  /** The model that the run began with, for an `init` that is its digest. */
  readonly initial: Snapshot | null;
  readonly label: Label;
}

/**
 * Trains from a state on (null: from the beginning) to the end of a step.
 * @throws LockstepError (USAGE, DATA, DIVERGED, TEAM)
 */
export async function rerun(
  options: RerunOptions,
  recipe: Recipe,
  from: RunState | null,
  to: number,
): Promise<Rerunning> {
  const draft = { ...recipe, data: options.source.name };
  const run = await prepareRun({ ...options, draft, from });
  return run.committed === to ? { state: stateOf(run), digests: [run.chain] } : trainTo(run, to);
}

async function trainTo(run: Run, to: number): Promise<Rerunning> {
  const { setup, kernels, memory, committed } = run;
  const digests = [run.chain];
  const team = await Team.start({ setup, kernels, memory, committed });
  const end = new AbortController();
  let state: RunState | null = null;
  const keep = (kept: RunState): void => {
    if (team.committed !== to) return;
    state = kept;
    end.abort();
  };
  try {
    const { steps } = await coordinate(
      run,
      team,
      { onSteps: (reports) => digests.push(...reports.map(({ digest }) => digest)), signal: end.signal },
      { every: { kind: 'steps', steps: to }, keep },
    );
    if (state === null) throw dataError(`here the run ends after step ${steps}, expected at least ${to}`);
    return { state, digests };
  } finally {
    await team.close();
  }
}

/** A run before its first step. */
function stateOf(run: Run): RunState {
  if (run.from !== null) return run.from;
  const { architecture, memory, plan, counters, recipe, chain } = run;
  const flat = new Float32Array(memory.buffer, plan.replicas[0].flat, architecture.flatSize);
  return {
    snapshot: takeSnapshot(architecture, flat, counters),
    optimizer: new Float32Array(architecture.flatSize),
    epoch: 0,
    step: 0,
    lossSum: 0,
    epochs: [],
    stopping: newStopping(recipe),
    chain,
  };
}
