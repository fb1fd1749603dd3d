import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { usageError } from '../errors.ts';
import type { Kernels } from './kernels.ts';
import { type InstructionSet, instructionSets, loadNativeKernels, type NativeKernels } from './native.ts';
import { failedProbe } from './probe.ts';
import { type CompiledModule, type SharedMemory, wasm } from './webassembly.ts';

/** A set of kernels by the name that `--kernels` and the summary use. */
export type KernelSet = 'wasm' | 'exact' | `native:${InstructionSet}`;

const nativeSets = instructionSets.map((name) => `native:${name}` as const);
/** All there are, the fastest first. */
const kernelSets: readonly KernelSet[] = [...nativeSets, 'wasm', 'exact'];
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
 * @param native what there is of native kernels, or why there is nothing
 * @throws LockstepError (USAGE) when a set asked for by name cannot run here
 */
export function loadKernels(choice: KernelChoice, native = loadNativeKernels()): LoadedKernels {
  const installed = typeof native === 'string' ? [] : native.sets.map((name) => `native:${name}` as const);
  const missing = typeof native === 'string' ? [native] : [];
  const best = 'the fastest that this processor has';
  let loaded: LoadedKernels | string;
  if (choice === 'auto') loaded = loadFirst([...installed, 'wasm', 'exact'], best, missing, native);
  else if (choice === 'native') loaded = loadFirst(installed, 'asked for', missing, native);
  else loaded = loadSet(choice, 'asked for', native);
  if (typeof loaded !== 'string') return loaded;
  const others = runnableKernels(native).join(', ');
  throw usageError(`--kernels: ${choice} cannot run here (${loaded}); use auto, or one of ${others}`);
}

/** The sets that can run here, the fastest first. */
export function runnableKernels(native = loadNativeKernels()): KernelSet[] {
  return kernelSets.filter((set) => typeof loadSet(set, '', native) !== 'string');
}

/** The first of some sets that can run, for this reason or because those before it cannot; else why none can. */
function loadFirst(
  sets: readonly KernelSet[],
  reason: string,
  missing: readonly string[],
  native: NativeKernels | string,
): LoadedKernels | string {
  const refusals = [...missing];
  for (const set of sets) {
    const loaded = loadSet(set, refusals.length === 0 ? reason : refusals.join('; '), native);
    if (typeof loaded !== 'string') return loaded;
    refusals.push(loaded);
  }
  return refusals.join('; ');
}

/** A set that passed its probe, or why it cannot run. */
function loadSet(set: KernelSet, reason: string, native: NativeKernels | string): LoadedKernels | string {
  const instructions = instructionsOf(set);
  if (instructions !== null && typeof native === 'string') return native;
  if (instructions !== null && typeof native !== 'string' && !native.sets.includes(instructions)) {
    return `this processor and installation have ${native.sets.join(' and ')}`;
  }
  const relaxed = set === 'exact' ? null : compileRelaxed();
  if (set === 'wasm' && relaxed === null) return 'this engine has no relaxed SIMD';
  const loaded: LoadedKernels = { set, module: relaxed ?? compile(readBuild('exact')), reason };
  const failure = failedProbe((memory) => instantiateKernels(loaded, memory, native));
  return failure === null ? loaded : `${set} failed its probe: ${failure}`;
}

/** The relaxed build, or null where the engine does not have its instructions. */
function compileRelaxed(): CompiledModule | null {
  const bytes = readBuild('relaxed');
  // Node 20 has relaxed SIMD behind a flag, later versions have it switched on and no longer know the flag.
  if (!wasm.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return wasm.validate(bytes) ? compile(bytes) : null;
}

function compile(bytes: Uint8Array): CompiledModule {
  return new wasm.Module(bytes);
}

function readBuild(name: 'relaxed' | 'exact'): Uint8Array {
  return readFileSync(new URL(`./${name}.wasm`, import.meta.url));
}

/** The kernels over a memory; each thread makes its own. */
export function instantiateKernels(
  { set, module }: LoadedKernels,
  memory: SharedMemory,
  native?: NativeKernels | string,
): Kernels {
  const { exports } = new wasm.Instance(module, { env: { memory } });
  const kernels = exports as unknown as Kernels;
  const instructions = instructionsOf(set);
  if (instructions === null) return kernels;
  const addon = native ?? loadNativeKernels();
  if (typeof addon === 'string') throw new Error(`native kernels were there and are not any more: ${addon}`);
  return { ...kernels, ...addon.bind(instructions, memory) };
}

/** The instructions that a native set uses; null for the others. */
export function instructionsOf(set: KernelSet): InstructionSet | null {
  return instructionSets.find((name) => set === `native:${name}`) ?? null;
}
