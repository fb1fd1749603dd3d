/** A replica as bytes, for sending it and for proving that two are equal: the flat vector, then the optimizer's state. */
import { sha256 } from './digest.ts';
import type { SharedMemory } from './kernels/webassembly.ts';
import type { MemoryPlan } from './model/memory-plan.ts';

/** Views of the two parts of the replica before step `committed`, each of `flatSize` floats. */
export function replicaViews(
  memory: SharedMemory,
  plan: MemoryPlan,
  flatSize: number,
  committed: number,
): [Uint8Array, Uint8Array] {
  const { flat, state } = plan.replicas[committed % 2];
  return [
    new Uint8Array(memory.buffer, flat, 4 * flatSize),
    new Uint8Array(memory.buffer, state, 4 * flatSize),
  ];
}

/** SHA-256 of a replica. */
export function replicaDigest(parts: readonly [Uint8Array, Uint8Array]): string {
  return sha256(...parts);
}

/** Replicas prove that they are equal before every step whose number is a multiple of this. */
export const checksumSteps = 64;
