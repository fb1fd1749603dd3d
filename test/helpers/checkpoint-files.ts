/** Small checkpoints by their step, encoded once each. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { newestCheckpoint } from '../../coordinator/checkpoints.ts';
import { sampleRun } from './run-states.ts';

const encoded = new Map<number, Uint8Array[]>();

/** The parts of a checkpoint of so many steps: its state says so, too. */
export function checkpointOf(step: number): { parts: Uint8Array[]; place: { step: number; epoch: number } } {
  let parts = encoded.get(step);
  if (parts === undefined) {
    const { architecture, recipe, state } = sampleRun({ epoch: 0, step, seed: step });
    parts = encodeCheckpoint(architecture, recipe, state);
    encoded.set(step, parts);
  }
  return { parts, place: { step, epoch: 0 } };
}

export function fileName(step: number): string {
  return `step-${String(step).padStart(9, '0')}.safetensors`;
}

/** Puts checkpoints of these steps into a folder. */
export function putCheckpoints(folder: string, ...steps: number[]): void {
  for (const step of steps) {
    writeFileSync(join(folder, fileName(step)), Buffer.concat(checkpointOf(step).parts));
  }
}

export function namesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** The step of the newest valid checkpoint by what it holds, not by its name. */
export function newestStep(folder: string): number | null {
  return newestCheckpoint(folder).found?.state.step ?? null;
}
