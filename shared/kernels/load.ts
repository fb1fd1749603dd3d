import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { usageError } from '../errors.ts';
import type { Kernels } from './kernels.ts';
import { failedProbe } from './probe.ts';
import { type CompiledModule, type SharedMemory, wasm } from './webassembly.ts';

/** A set of kernels by the name that `--kernels` and the summary use. */
export type KernelSet = 'wasm' | 'exact';
export const kernelChoices = ['auto', 'native', 'wasm', 'exact'] as const;
export type KernelChoice = (typeof kernelChoices)[number];

/** Compiled kernels; the module can be handed to other threads and instantiated there. */
export interface KernelModule {
  readonly set: KernelSet;
  readonly module: CompiledModule;
  /** Why this set was taken, for the log. */
  readonly reason: string;
}

/**
 * Compiles and probes the kernels that were asked for. `auto` takes the relaxed build where the engine's
 * multiply-add is fused and falls back to the exact one, which is slower and gives the same bits.
 * @throws LockstepError (USAGE) when a set asked for by name cannot run here
 */
export function loadKernels(choice: KernelChoice): KernelModule {
  if (choice === 'native') {
    throw usageError('--kernels: native kernels are not part of this version; use auto, wasm or exact');
  }
  if (choice === 'exact') return loadExact('asked for');
  const relaxed = loadRelaxed();
  if (typeof relaxed !== 'string') {
    return { set: 'wasm', module: relaxed, reason: 'the fused multiply-add of this engine passed its probe' };
  }
  if (choice === 'auto') return loadExact(relaxed);
  throw usageError(`--kernels: wasm cannot run here (${relaxed}); use auto or exact`);
}

function loadExact(reason: string): KernelModule {
  const module = new wasm.Module(readBuild('exact'));
  const failure = failedProbe((memory) => instantiateKernels(module, memory));
  if (failure !== null) throw new Error(`the exact kernels failed their probe: ${failure}`);
  return { set: 'exact', module, reason };
}

/** The relaxed build, or why it cannot be used. */
function loadRelaxed(): CompiledModule | string {
  const bytes = readBuild('relaxed');
  // Node 20 has relaxed SIMD behind a flag, later versions have it switched on and no longer know the flag.
  if (!wasm.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  if (!wasm.validate(bytes)) return 'this engine has no relaxed SIMD';
  const module = new wasm.Module(bytes);
  return failedProbe((memory) => instantiateKernels(module, memory)) ?? module;
}

function readBuild(name: 'relaxed' | 'exact'): Uint8Array {
  return readFileSync(new URL(`./${name}.wasm`, import.meta.url));
}

/** The kernels over a memory; each thread makes its own instance. */
export function instantiateKernels(module: CompiledModule, memory: SharedMemory): Kernels {
  return new wasm.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
