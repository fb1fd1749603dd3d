/** Finds and loads the native kernels: a Node-API addon that the build leaves beside this file where it can. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Kernels } from './kernels.ts';

/** What a native set has: random numbers are drawn once and come from the WebAssembly set. */
export type NativeSet = Omit<Kernels, 'uniform' | 'normal'>;

/** Sets of processor instructions for which there are kernels. */
export const instructionSets = ['avx512', 'avx2', 'neon'] as const;
export type InstructionSet = (typeof instructionSets)[number];

export interface NativeKernels {
  /** What this processor has, best first; at least one. */
  readonly sets: readonly [InstructionSet, ...InstructionSet[]];
  /**
   * The kernels of one instruction set over a memory, which they keep alive. They trust their arguments: an offset
   * outside of the memory ends the process. The memory need not be shared, nor WebAssembly's.
   */
  bind(set: InstructionSet, memory: { readonly buffer: ArrayBufferLike }): NativeSet;
}

interface Addon {
  sets(): InstructionSet[];
  bind(set: InstructionSet, memory: Uint8Array): NativeSet;
}

/** The native kernels, or why there are none. */
export function loadNativeKernels(): NativeKernels | string {
  const platform = `${process.platform}-${process.arch}`;
  const file = fileURLToPath(new URL(`./lockstep-${platform}.node`, import.meta.url));
  if (!existsSync(file)) return `this installation has no native kernels for ${platform}`;
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    return `the native kernels cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  const [best, ...others] = addon.sets();
  if (best === undefined) return 'this processor has none of the instruction sets of the native kernels';
  return {
    sets: [best, ...others],
    bind: (set, memory) => addon.bind(set, new Uint8Array(memory.buffer)),
  };
}
