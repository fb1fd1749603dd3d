import type { Kernels } from './kernels.ts';
import { instantiateKernels, instructionsOf, type LoadedKernels } from './load.ts';
import { loadNativeKernels } from './native.ts';
import { wasm } from './webassembly.ts';

/** Kernels over a small memory of their own, for values that come from elsewhere and go elsewhere. */
export interface Scratch {
  readonly buffer: ArrayBufferLike;
  readonly kernels: Pick<Kernels, 'mergeSums' | 'mergeMoments'>;
}

/** A scratch memory of so many bytes, that of one thread. */
export function newScratch(loaded: LoadedKernels, bytes: number): Scratch {
  const instructions = instructionsOf(loaded.set);
  if (instructions === null) {
    const pages = Math.ceil(bytes / 65_536);
    const memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    return { buffer: memory.buffer, kernels: instantiateKernels(loaded, memory) };
  }
  const native = loadNativeKernels();
  if (typeof native === 'string')
    throw new Error(`native kernels were there and are not any more: ${native}`);
  // Not shared: V8 copies into and out of shared memory word by word, which takes two to three times as long.
  const buffer = new ArrayBuffer(bytes);
  return { buffer, kernels: native.bind(instructions, { buffer }) };
}
