import { setFlagsFromString } from 'node:v8';

/**
 * Tells V8 to collect garbage for a process that takes in frames. Frames lie outside of its heap, some megabytes a step. V8
 * answers such pressure by marking its own, small heap incrementally, over and over: with the note's network and
 * batches of 64 that took half of the coordinator's CPU time. Without incremental marking, it frees them when it must.
 */
export function collectFramesLate(): void {
  setFlagsFromString('--no-incremental-marking');
}
