/**
 * The crew of a worker with one thread: its main thread computes itself. That saves two changes of thread for each
 * exchange, which take longer than what a small model computes between two of them.
 */
import { exchangePlaceOf, outboxSlots } from '../shared/model/memory-plan.ts';
import type { TreeNode } from '../shared/reduction/tree.ts';
import type { Setup } from '../shared/training.ts';
import type { Crew } from './crew.ts';
import { Recorder } from './recorder.ts';
import { type Recorded, RecordingReader } from './recording.ts';
import { SegmentedStep } from './segmented-step.ts';
import type { WorkerMemory } from './worker-memory.ts';

/** Multiply-adds of a step that all but the exact kernels make in a fraction of a heartbeat, on a slow core too. */
const mostMultiplyAdds = 2 ** 29;

/** Whether steps of a setup are so short that the thread which computes them can answer heartbeats, too. */
export function canComputeAlone({ sizes }: Setup, flatSize: number, kernelSet: string): boolean {
  const multiplyAdds = 3 * Math.min(sizes.batchSize, sizes.epochSamples) * flatSize;
  return sizes.threads === 1 && kernelSet !== 'exact' && multiplyAdds <= mostMultiplyAdds;
}

export class SoloCrew implements Crew {
  readonly #memory: WorkerMemory;
  readonly #step: SegmentedStep;
  readonly #recordings: RecordingReader;
  #recordEvery = 0;
  #committed = 0;

  constructor(memory: WorkerMemory) {
    this.#memory = memory;
    const { plan } = memory.training;
    const recorder = new Recorder(memory.memory, plan, 0, () => this.#recordEvery);
    this.#step = new SegmentedStep(memory.training, 0, 1, () => {}, recorder);
    this.#recordings = new RecordingReader(memory.memory, plan);
  }

  async compute(
    how: 'begin' | 'extend' | 'advance',
    step: number,
    exchange: number,
    nodes: readonly TreeNode[],
    take: (node: TreeNode, partial: Uint8Array) => void,
  ): Promise<void> {
    const number = { step, committed: this.#committed };
    if (how === 'advance') this.#step.advance(exchange);
    else this.#step[how](number, exchange, nodes);
    const { memory, training } = this.#memory;
    const { outbox, slotBytes } = exchangePlaceOf(training.plan);
    for (let first = 0; first < nodes.length; first += outboxSlots) {
      const merged = nodes.slice(first, first + outboxSlots);
      this.#step.merge(number, exchange, merged);
      for (const [slot, node] of merged.entries()) {
        take(node, new Uint8Array(memory.buffer, outbox + slot * slotBytes, slotBytes));
      }
    }
  }

  async apply(step: number): Promise<void> {
    this.#step.apply({ step, committed: this.#committed });
    this.#committed += 1;
  }

  async evaluate(split: 'test', { from, to }: { readonly from: number; readonly to: number }): Promise<void> {
    // Shard by shard, so that what comes in meanwhile is read.
    for (let shard = from; shard < to; shard++) {
      this.#memory.training.evaluate(split, this.#committed, () => {}, { from: shard, to: shard + 1 });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  resumeAt(committed: number): void {
    this.#committed = committed;
  }

  record(every: number): void {
    if (this.#recordEvery === 0) this.#recordings.forget();
    this.#recordEvery = every;
  }

  recorded(): Recorded[] {
    return this.#recordings.take();
  }

  async close(): Promise<void> {}
}
