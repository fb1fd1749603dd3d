/** Lockstep as a library: `import { train, evaluate, loadModel } from 'lockstep'`. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { coordinate } from '../coordinator/coordinator.ts';
import { prepareRun, type Run } from '../coordinator/prepare.ts';
import type { EpochReport, Hooks, Outcome, StepReport } from '../coordinator/reports.ts';
import { type DatasetSource, type MemorySplit, memoryDataset, openDataset } from '../shared/data/dataset.ts';
import { quoted, suggestion, usageError } from '../shared/errors.ts';
import { type KernelChoice, loadKernels } from '../shared/kernels/load.ts';
import { draftRecipe, type Label, type RecipeFields } from '../shared/recipe/resolve.ts';
import { Team } from '../worker/team.ts';
import { builtInRecipes } from './recipes/built-in.ts';

export async function quickTrain(
  fields: RecipeFields,
  threads: number,
  kernels: KernelChoice,
  hooks: Hooks = {},
  extra = {},
): Promise<Outcome> {
  const label: Label = (key) => key;
  const draft = draftRecipe(fields, label);
  const source = openDataset(draft.data);
  const run = await prepareRun({
    draft,
    source,
    kernels: loadKernels(kernels),
    threads,
    initial: null,
    label,
  });
  const team = await Team.start({
    setup: run.setup,
    module: run.kernels.module,
    memory: run.memory,
    ...extra,
  });
  try {
    return await coordinate(run, team, hooks);
  } finally {
    await team.close();
  }
}
void [readFile, availableParallelism, quoted, suggestion, usageError, builtInRecipes, memoryDataset];

export type { DatasetSource, EpochReport, MemorySplit, Run, StepReport };
