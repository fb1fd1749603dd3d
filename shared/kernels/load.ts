import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { usageError } from '../errors.ts';
import type { Kernels } from './kernels.ts';
import { type InstructionSet, instructionSets, loadNativeKernels } from './native.ts';
import { failedProbe } from './probe.ts';
import { type CompiledModule, type SharedMemory, wasm } from './webassembly.ts';

/** A set of kernels by the name that `--kernels` and the summary use. */
export type KernelSet = 'wasm' | 'exact' | `native:${InstructionSet}`;

const nativeSets = instructionSets.map((instructions) => `native:${instructions}` as const);
export const kernelChoices = ['auto', 'native', ...nativeSets, 'wasm', 'exact'] as const;
export type KernelChoice = (typeof kernelChoices)[number];

/** Kernels that passed their probe; plain data that can be handed to other threads and bound to a memory there. */
export interface LoadedKernels {
  readonly set: KernelSet;
  /** Under native kernels it draws the random numbers. */
  readonly module: CompiledModule;
  /** Why this set was taken, for the log. */
  readonly reason: string;
}

/**
 * Loads and probes the kernels that were asked for. `auto` takes the fastest: native ones where they are installed
 * and the processor has the instructions, else the relaxed WebAssembly build where the engine's multiply-add is fused,
 * else the exact one, which is slower. All give the same bits.
 * @throws LockstepError (USAGE) when a set asked for by name cannot run here
 */
export function loadKernels(choice: KernelChoice): LoadedKernels {
  switch (choice) {
    case 'auto':
      return loadFastest();
    case 'exact':
      return loadExact('asked for');
    case 'wasm': {
      const relaxed = loadRelaxed('asked for');
      return typeof relaxed === 'string' ? refuse(choice, relaxed, 'auto or exact') : relaxed;
    }
    default: {
      const native = loadNative(choice, 'asked for');
      return typeof native === 'string' ? refuse(choice, native, 'auto, wasm or exact') : native;
    }
  }
}

/** The sets that can run here, the fastest first. */
export function runnableKernels(): KernelSet[] {
  const native = loadNativeKernels();
  const instructions = typeof native === 'string' ? [] : native.sets;
  return kernelChoices.filter((choice): choice is KernelSet => {
    if (choice === 'exact') return true;
    if (choice === 'wasm') return typeof loadRelaxed('') !== 'string';
    return instructions.some((name) => choice === `native:${name}`);
  });
}

function refuse(choice: KernelChoice, reason: string, others: string): never {
  throw usageError(`--kernels: ${choice} cannot run here (${reason}); use ${others}`);
}

function loadFastest(): LoadedKernels {
  const native = loadNative('native', 'the fastest that this processor has');
  if (typeof native !== 'string') return native;
  const relaxed = loadRelaxed(native);
  return typeof relaxed === 'string' ? loadExact(`${native}; ${relaxed}`) : relaxed;
}

/** The native kernels of the best instruction set or of the one asked for, or why they cannot be used. */
function loadNative(choice: 'native' | KernelSet, reason: string): LoadedKernels | string {
  const native = loadNativeKernels();
  if (typeof native === 'string') return native;
  const { sets } = native;
  const instructions = choice === 'native' ? sets[0] : sets.find((name) => choice === `native:${name}`);
  if (instructions === undefined) return `this processor and installation have ${sets.join(', ')}`;
  const relaxed = loadRelaxed('');
  const { module } = typeof relaxed === 'string' ? loadExact('') : relaxed;
  const loaded: LoadedKernels = { set: `native:${instructions}`, module, reason };
  const failure = failedProbe((memory) => instantiateKernels(loaded, memory));
  return failure === null ? loaded : `${loaded.set} failed its probe: ${failure}`;
}

/** The relaxed WebAssembly build, or why it cannot be used. */
function loadRelaxed(reason: string): LoadedKernels | string {
  const bytes = readBuild('relaxed');
  // Node 20 has relaxed SIMD behind a flag, later versions have it switched on and no longer know the flag.
  if (!wasm.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  if (!wasm.validate(bytes)) return 'this engine has no relaxed SIMD';
  const loaded: LoadedKernels = { set: 'wasm', module: new wasm.Module(bytes), reason };
  return failedProbe((memory) => instantiateKernels(loaded, memory)) ?? loaded;
}

function loadExact(reason: string): LoadedKernels {
  const loaded: LoadedKernels = { set: 'exact', module: new wasm.Module(readBuild('exact')), reason };
  const failure = failedProbe((memory) => instantiateKernels(loaded, memory));
  if (failure !== null) throw new Error(`the exact kernels failed their probe: ${failure}`);
  return loaded;
}

function readBuild(name: 'relaxed' | 'exact'): Uint8Array {
  return readFileSync(new URL(`./${name}.wasm`, import.meta.url));
}

/** The kernels over a memory; each thread makes its own. */
export function instantiateKernels({ set, module }: LoadedKernels, memory: SharedMemory): Kernels {
  const { exports } = new wasm.Instance(module, { env: { memory } });
  const kernels = exports as unknown as Kernels;
  const instructions = instructionSets.find((name) => set === `native:${name}`);
  if (instructions === undefined) return kernels;
  const native = loadNativeKernels();
  if (typeof native === 'string')
    throw new Error(`native kernels were there and are not any more: ${native}`);
  return { ...kernels, ...native.bind(instructions, memory) };
}
