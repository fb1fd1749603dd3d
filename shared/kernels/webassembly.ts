/**
 * The part of the WebAssembly JavaScript interface that Lockstep uses. Its types come with the DOM library only,
 * which neither we nor everyone who uses our types has.
 */

/** A shared `WebAssembly.Memory`. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

/** A `WebAssembly.Module`: compiled code, which can be handed to other threads. */
export interface CompiledModule {
  readonly [Symbol.toStringTag]: string;
}

interface Interface {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => SharedMemory;
  readonly Module: new (bytes: Uint8Array) => CompiledModule;
  readonly Instance: new (
    module: CompiledModule,
    imports?: { env: { memory: SharedMemory } },
  ) => { readonly exports: Record<string, unknown> };
  validate(bytes: Uint8Array): boolean;
}

export const wasm = (globalThis as unknown as { WebAssembly: Interface }).WebAssembly;
