/** Two runs side by side, as a library function. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Comparison, compareRuns } from '../coordinator/compare.ts';
import type { Rerun } from '../coordinator/investigation.ts';
import type { Pair } from '../coordinator/state-difference.ts';
import { StoredRun } from '../coordinator/stored-run.ts';
import { memoryDataset, openDataset } from '../shared/data/dataset.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { usageError } from '../shared/errors.ts';
import { type KernelChoice, kernelChoices, loadKernels } from '../shared/kernels/load.ts';
import type { Snapshot } from '../shared/model/snapshot.ts';
import type { Recipe } from '../shared/recipe/recipe.ts';
import type { Label } from '../shared/recipe/resolve.ts';
import { checkThreads } from '../worker/team.ts';
import { rememberStart } from './environment.ts';
import { TrainedModel } from './model.ts';
import { checkChoice, checkData, checkOptions, type DataInMemory } from './options.ts';
import { rerun } from './rerun.ts';

export interface CompareOptions {
  /** False: only finds the step, and computes nothing again. */
  readonly rerun?: boolean | undefined;
  /** Where the samples come from, by default where one of the runs says that they were. */
  readonly data?: string | DataInMemory | undefined;
  /** The model that the runs began with, if their recipe says that there was one. */
  readonly from?: TrainedModel | undefined;
  readonly threads?: number | undefined;
  readonly kernels?: KernelChoice | undefined;
}

/**
 * Compares two runs by their folders; both may still be going on. Finds the first step after which they differ, computes
 * it again here to tell which of them is at fault, and says in which values they differ as far as that is known.
 * @throws LockstepError (USAGE, DATA)
 */
export async function compare(
  first: string,
  second: string,
  options: CompareOptions = {},
): Promise<Comparison> {
  for (const folder of [first, second]) {
    if (typeof folder === 'string') continue;
    throw usageError(
      `compare: got ${folder === null ? 'null' : typeof folder}, expected the folders of two runs`,
    );
  }
  const kinds = { rerun: 'any', data: 'any', from: 'any', threads: 'any', kernels: 'text' } as const;
  checkOptions(options, kinds, 'compare');
  if (options.kernels !== undefined) checkChoice(options.kernels, kernelChoices, 'compare: kernels');
  if (options.data !== undefined) checkData(options.data, 'compare: data');
  if (options.from !== undefined && !(options.from instanceof TrainedModel)) {
    throw usageError('compare: from: expected a model of train or loadModel');
  }
  const { rerun = true, data, from, threads = availableParallelism(), kernels } = options;
  const initial = () => from?.snapshot ?? null;
  return compareFolders([first, second], {
    rerun,
    data,
    threads: checkThreads(threads, 'compare: threads'),
    kernels,
    initial,
    label: (key) => `compare: ${key}`,
  });
}

/** What {@link compare} and the command line have in common. */
export interface CompareSettings {
  readonly rerun: boolean;
  /** What is not said is looked for only when it is needed. */
  readonly data: string | DataInMemory | undefined;
  readonly kernels: KernelChoice | undefined;
  readonly threads: number;
  /** The model that the runs began with, if one was given; it has to fit theirs. */
  readonly initial: (model: string) => Snapshot | null;
  readonly label: Label;
}

/** Compares the runs of two folders. */
export async function compareFolders(
  [first, second]: Pair<string>,
  settings: CompareSettings,
): Promise<Comparison> {
  const a = new StoredRun(first, 'compare');
  try {
    const b = new StoredRun(second, 'compare');
    try {
      return await compareRuns([a, b], settings.rerun ? rerunOf(settings, [first, second], a.recipe) : null);
    } finally {
      b.close();
    }
  } finally {
    a.close();
  }
}

function rerunOf(
  { data, kernels, threads, initial, label }: CompareSettings,
  folders: Pair<string>,
  { model }: Recipe,
): Rerun {
  const open = (of: string | DataInMemory) =>
    typeof of === 'string' ? openDataset(of, knownDatasets, label('data')) : memoryDataset(of);
  const options = {
    source: data === undefined ? null : open(data),
    kernels: kernels === undefined ? null : loadKernels(kernels),
    initial: initial(model),
    threads,
    label: (key: string) => label(key === 'dataset' ? 'data' : key),
  };
  return (recipe, from, to) => {
    options.source ??= open(whereOf(folders) ?? 'mnist');
    options.kernels ??= loadKernels('auto');
    return rerun({ ...options, source: options.source, kernels: options.kernels }, recipe, from, to);
  };
}

/** The name of the data, or the folder if it is on this machine, that one of the runs was trained with. */
function whereOf(folders: Pair<string>): string | null {
  const places = folders.flatMap((folder) => rememberStart(folder).data ?? []);
  const isThere = (place: string) => knownDatasets.some(({ name }) => name === place) || existsSync(place);
  return places.find(isThere) ?? null;
}
