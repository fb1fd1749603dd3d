/** What an evaluation left in memory, summed up. */

import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import { evaluationShard, lossSlotBytes, type MemoryPlan } from '../shared/model/memory-plan.ts';
import { foldTree } from '../shared/reduction/tree.ts';

export interface Evaluation {
  readonly samples: number;
  /** Average loss. */
  readonly loss: number;
  /** Share of right predictions, 0 … 1. */
  readonly accuracy: number;
  readonly correct: number;
  /** The lowest shard of 128 samples whose loss is NaN or infinite, null as it should be. */
  readonly badShard: number | null;
  /** Row: label, column: prediction. */
  readonly confusion: readonly (readonly number[])[];
}

/** Merges the losses of the shards by the tree and counts the predictions of a split that was just evaluated. */
export function readEvaluation(
  plan: MemoryPlan,
  memory: SharedMemory,
  split: 'train' | 'test',
  classes: number,
): Evaluation {
  const { samples, labels: labelOffset } = plan[split];
  const floats = new Float32Array(memory.buffer);
  const labels = new Uint8Array(memory.buffer, labelOffset, samples);
  const predictions = new Uint8Array(memory.buffer, plan.predictions, samples);
  const shardLoss = (shard: number) => floats[(plan.evaluationLosses + shard * lossSlotBytes) / 4];
  const shardCount = Math.ceil(samples / evaluationShard);
  const bad = Array.from({ length: shardCount }, (_, shard) => shard).find(
    (shard) => !Number.isFinite(shardLoss(shard)),
  );
  const total = foldTree(0, shardCount, shardLoss, (left, right) => Math.fround(left + right));
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < samples; i++) confusion[labels[i]][predictions[i]] += 1;
  const correct = confusion.reduce((sum, row, label) => sum + row[label], 0);
  const badShard = bad ?? (Number.isFinite(total) ? null : shardCount - 1);
  return { samples, badShard, loss: total / samples, accuracy: correct / samples, correct, confusion };
}
