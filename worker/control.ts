/**
 * The words of shared memory through which the main thread commands a team and learns how far it is. All are
 * read and written with Atomics.
 */
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import type { MemoryPlan } from '../shared/model/memory-plan.ts';
import { exchangePlaceOf, mostNodes } from '../shared/model/memory-plan.ts';
import type { TreeNode } from '../shared/reduction/tree.ts';
import { phases } from '../shared/timeline.ts';

/** Indices of 32-bit words. Those that many threads write lie in cache lines of their own. */
export const words = {
  /** Goes up by one with every command; threads sleep on it. */
  command: 0,
  kind: 1,
  firstStep: 2,
  endStep: 3,
  /** Set by the main thread: end after the step that is being computed. */
  stop: 4,
  /** Written by rank 0 before a step's first barrier: the step at which all threads end. */
  limit: 5,
  /** Set by the main thread after a death: leave the step at the next barrier. */
  abort: 6,
  /** For what goes from exchange to exchange: which one, and of the nodes in memory how many to hold and to merge. */
  exchange: 7,
  nodeCount: 8,
  mergeCount: 9,
  /** Set by the main thread: steps are recorded before which a multiple of so many were committed; 0: none. */
  record: 10,
  /**
   * Where ranks share the batches. `vote`: this one wants to end, with this exit code, and tells the others with its next
   * gradient. `agreed`: some rank told so in the last step, with this code. `problem`: why the exchange with the others ended (`problems`), and with which rank.
   */
  vote: 11,
  agreed: 12,
  problem: 13,
  problemRank: 14,
  problemExchange: 15,
  /** Steps done since the training began. One store makes the new replica current. */
  committed: 16,
  /** What `committed` was at the beginning of the epoch; written while the threads are idle. */
  epochBase: 17,
  /** Goes up whenever a thread finishes a command or dies; the main thread waits on it. */
  finished: 32,
  barrierCount: 48,
  barrierPhase: 64,
  barrierSleepers: 80,
} as const;

/** Words of each thread, from `ownWords(rank)` on. */
export const own = {
  /** Goes up with everything it does, so that a watcher can tell who hangs. */
  alive: 0,
  /** The id of the worker thread that runs this rank, 0 before it has one. */
  threadId: 1,
  /** Shards computed in committed steps. */
  shards: 2,
  /** The last command it has finished. */
  finished: 3,
  /** As binary64, at byte 16: seconds in committed steps, without waiting. */
  busySeconds: 16,
  /**
   * As binary64, from byte 64 on: the seconds of each phase, where the team is profiled (profile.ts). They have to end
   * before the words of the next thread begin.
   */
  phaseSeconds: 64,
} as const;

/**
 * `train` takes steps of an epoch; the evaluations take a range of shards (`firstStep`, `endStep`). With workers
 * elsewhere a step goes from exchange to exchange: `begin` computes nodes from the step's start, forgetting others;
 * `extend` adds nodes; `advance` goes on with all that are held; `merge` merges more of them; `apply` makes the update.
 */
export const kinds = {
  train: 1,
  evaluateTest: 2,
  evaluateTrain: 3,
  end: 4,
  begin: 5,
  extend: 6,
  advance: 7,
  merge: 8,
  apply: 9,
} as const;

/**
 * Why ranks cannot go on together. `overdue`: others did not come to an exchange in time; `apart`: another rank is at another
 * step; `different`: another rank's replica is different.
 */
export const problems = { none: 0, overdue: 1, apart: 2, different: 3 } as const;

const firstOwnWord = 256;
const ownWordCount = 32;

/** Views of shared memory, by step of the epoch. */
export interface StepResults {
  readonly losses: Float32Array;
  readonly correct: Float32Array;
  readonly seconds: Float64Array;
  readonly checksums: BigUint64Array;
}

export class Control {
  readonly words: Int32Array;
  readonly #plan: MemoryPlan;
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory, plan: MemoryPlan) {
    this.words = new Int32Array(
      memory.buffer,
      plan.control,
      firstOwnWord + ownWordCount * plan.threads.length,
    );
    this.#plan = plan;
    this.#memory = memory;
  }

  /** Index of a word of one thread. */
  own(rank: number, word: number): number {
    return firstOwnWord + ownWordCount * rank + word;
  }

  /** A view of one number: the seconds that a thread was busy. */
  busySeconds(rank: number): Float64Array {
    return this.#ownNumbers(rank, own.busySeconds, 1);
  }

  /** A view of the seconds that a thread spent in each phase of its steps. */
  phaseSeconds(rank: number): Float64Array {
    return this.#ownNumbers(rank, own.phaseSeconds, phases.length);
  }

  /** Says which tree nodes the next command is about: those to compute, and those to merge. */
  writeNodes(held: readonly TreeNode[], merged: readonly TreeNode[]): void {
    const all = [...held, ...merged];
    if (all.length > mostNodes) throw new Error(`${all.length} tree nodes, expected at most ${mostNodes}`);
    this.#nodes().set(all.flatMap(({ lo, hi }) => [lo, hi]));
    Atomics.store(this.words, words.nodeCount, held.length);
    Atomics.store(this.words, words.mergeCount, merged.length);
  }

  /** The tree nodes of the command. */
  readNodes(): { held: TreeNode[]; merged: TreeNode[] } {
    const nodes = this.#nodes();
    const heldCount = Atomics.load(this.words, words.nodeCount);
    const count = heldCount + Atomics.load(this.words, words.mergeCount);
    const all = Array.from({ length: count }, (_, i) => ({ lo: nodes[2 * i], hi: nodes[2 * i + 1] }));
    return { held: all.slice(0, heldCount), merged: all.slice(heldCount) };
  }

  #nodes(): Uint32Array {
    return new Uint32Array(this.#memory.buffer, exchangePlaceOf(this.#plan).nodes, 2 * mostNodes);
  }

  /** Of the epoch's steps: average losses, samples predicted right, the seconds they took, checksums of their updates. */
  results(): StepResults {
    const count = this.#plan.stepCount;
    return {
      losses: new Float32Array(this.#memory.buffer, this.#plan.stepLosses, count),
      correct: new Float32Array(this.#memory.buffer, this.#plan.stepCorrect, count),
      seconds: new Float64Array(this.#memory.buffer, this.#plan.stepSeconds, count),
      checksums: new BigUint64Array(this.#memory.buffer, this.#plan.stepChecksums, count),
    };
  }

  #ownNumbers(rank: number, byte: number, count: number): Float64Array {
    const offset = this.#plan.control + 4 * this.own(rank, 0) + byte;
    return new Float64Array(this.#memory.buffer, offset, count);
  }
}
