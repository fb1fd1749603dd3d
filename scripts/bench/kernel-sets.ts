/** Which sets of kernels there are to measure. */
import { quoted, suggestion, usageError } from '../../shared/errors.ts';
import { type KernelChoice, type KernelModule, loadKernels } from '../../shared/kernels/load.ts';

/** The sets that can run here, by name. */
export function kernelSets(): readonly string[] {
  return loadKernels('auto').set === 'exact' ? ['exact'] : ['wasm', 'exact'];
}

/** The sets that are measured where nothing is said: the best one and WebAssembly. */
export function defaultKernels(): KernelModule[] {
  const best = loadKernels('auto');
  return best.set === 'wasm' || !kernelSets().includes('wasm') ? [best] : [best, loadKernels('wasm')];
}

/**
 * Loads the sets of a list, each once; `auto` and `native` stand for the best that there is.
 * @param where for messages: `--kernels`
 * @throws LockstepError (USAGE) for a set that there is not, or that cannot run here
 */
export function loadSets(names: readonly string[], where: string): KernelModule[] {
  const known = ['auto', 'native', ...new Set(['wasm', 'exact', ...kernelSets()])];
  const modules = new Map<string, KernelModule>();
  for (const name of names) {
    if (!known.includes(name)) {
      const hint = suggestion(name, known) || `, expected some of ${known.join(', ')}`;
      throw usageError(`${where}: got ${quoted(name)}${hint}`);
    }
    const loaded = loadKernels(name as KernelChoice);
    modules.set(loaded.set, loaded);
  }
  return [...modules.values()];
}
