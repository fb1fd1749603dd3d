/** What computes for a simulated worker: the real step of one thread, whose results appear after simulated time. */
import type { TreeNode } from '../../../shared/reduction/tree.ts';
import type { Crew } from '../../../worker/crew.ts';
import { SoloCrew } from '../../../worker/solo-crew.ts';
import type { WorkerMemory } from '../../../worker/worker-memory.ts';
import type { Process } from './world.ts';

export interface CrewFaults {
  /** Milliseconds that a shard takes between two exchanges. */
  shardMs: number;
  /** What goes wrong with the next computation. */
  next: 'throw' | 'nan' | 'evaluationNan' | 'replica' | null;
  /** Told when it went wrong. */
  happened(): void;
}

export class SimulatedCrew implements Crew {
  readonly #memory: WorkerMemory;
  readonly #process: Process;
  readonly #faults: CrewFaults;
  readonly #crew: SoloCrew;
  #isBusy = false;

  constructor(memory: WorkerMemory, process: Process, faults: CrewFaults) {
    this.#memory = memory;
    this.#process = process;
    this.#faults = faults;
    this.#crew = new SoloCrew(memory);
  }

  async compute(
    how: 'begin' | 'extend' | 'advance',
    step: number,
    exchange: number,
    nodes: readonly TreeNode[],
    take: (node: TreeNode, partial: Uint8Array) => void,
  ): Promise<void> {
    const shards = nodes.reduce((sum, { lo, hi }) => sum + hi - lo, 0);
    await this.#work(shards * this.#faults.shardMs);
    this.#fail('throw');
    await this.#crew.compute(how, step, exchange, nodes, (node, partial) => {
      if (this.#fail('nan')) new Float32Array(partial.buffer, partial.byteOffset, 1)[0] = Number.NaN;
      take(node, partial);
    });
  }

  async apply(step: number): Promise<void> {
    await this.#work(this.#faults.shardMs / 2);
    await this.#crew.apply(step);
  }

  async evaluate(split: 'test', shards: { readonly from: number; readonly to: number }): Promise<void> {
    await this.#work((shards.to - shards.from) * this.#faults.shardMs);
    await this.#crew.evaluate(split, shards);
    if (!this.#fail('evaluationNan')) return;
    const { evaluationLosses } = this.#memory.training.plan;
    new Float32Array(this.#memory.memory.buffer, evaluationLosses).fill(Number.NaN, 0, 16 * shards.to);
  }

  resumeAt(committed: number): void {
    this.#crew.resumeAt(committed);
    if (!this.#fail('replica')) return;
    // A bit flips on the way: a weight of the replica that has just come.
    const { flat } = this.#memory.training.plan.replicas[committed % 2];
    new Uint8Array(this.#memory.memory.buffer, flat, 1)[0] ^= 1;
  }

  record(every: number): void {
    this.#crew.record(every);
  }

  /** What was recorded took real time; here it takes simulated time. */
  recorded() {
    const startMs = this.#process.nowMs() - this.#faults.shardMs;
    const threads = [[{ phase: 'forward', from: 0, to: this.#faults.shardMs } as const]];
    return this.#crew.recorded().map(({ committed }) => ({ committed, startMs, threads }));
  }

  async #work(ms: number): Promise<void> {
    if (this.#isBusy) throw new Error('two computations at once in one memory');
    this.#isBusy = true;
    await this.#process.sleep(ms);
    this.#isBusy = false;
  }

  #fail(what: CrewFaults['next']): boolean {
    if (this.#faults.next !== what) return false;
    this.#faults.next = null;
    this.#faults.happened();
    if (what === 'throw') throw new Error('a thread died again and again');
    return true;
  }
}
