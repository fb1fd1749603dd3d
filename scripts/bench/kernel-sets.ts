/** Which sets of kernels are measured. */
import { quoted, suggestion, usageError } from '../../shared/errors.ts';
import {
  kernelChoices,
  type LoadedKernels,
  loadKernels,
  runnableKernels,
} from '../../shared/kernels/load.ts';

/** The sets that are measured where nothing is said: the best one and WebAssembly. */
export function defaultKernels(): LoadedKernels[] {
  const best = loadKernels('auto');
  return best.set === 'wasm' || !runnableKernels().includes('wasm') ? [best] : [best, loadKernels('wasm')];
}

/**
 * Loads the sets of a list, each once; `auto` and `native` stand for the best that there is.
 * @param where for messages: `--kernels`
 * @throws LockstepError (USAGE) for a set that there is not, or that cannot run here
 */
export function loadSets(names: readonly string[], where: string): LoadedKernels[] {
  const loaded = new Map<string, LoadedKernels>();
  for (const name of names) {
    const choice = kernelChoices.find((candidate) => candidate === name);
    if (choice === undefined) {
      const hint = suggestion(name, kernelChoices) || `, expected some of ${kernelChoices.join(', ')}`;
      throw usageError(`${where}: got ${quoted(name)}${hint}`);
    }
    const kernels = loadKernels(choice);
    loaded.set(kernels.set, kernels);
  }
  return [...loaded.values()];
}
