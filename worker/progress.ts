import type { BatchResult } from '../shared/model/model.ts';
import type { Progress } from '../shared/training.ts';
import { type Control, own, words } from './control.ts';

/** How far one thread of a team is; rank 0 speaks for all. */
export class TeamProgress implements Progress {
  readonly #words: Int32Array;
  readonly #rank: number;
  readonly #alive: number;
  readonly #shards: number;
  readonly #busySeconds: Float64Array;
  readonly #allBusySeconds: readonly Float64Array[];
  readonly #losses: Float32Array;
  readonly #correct: Float32Array;
  readonly #seconds: Float64Array;
  readonly #checksums: BigUint64Array;
  /** This thread's own count: rank 0 publishes it while the others may already be in the next step. */
  #committed = 0;
  #step = 0;
  #barriers = 0;
  #stepStartMs = 0;
  #waitedMs = 0;

  constructor(control: Control, rank: number, threads: number) {
    this.#words = control.words;
    this.#rank = rank;
    this.#alive = control.own(rank, own.alive);
    this.#shards = control.own(rank, own.shards);
    this.#busySeconds = control.busySeconds(rank);
    this.#allBusySeconds = Array.from({ length: threads }, (_, one) => control.busySeconds(one));
    const { losses, correct, seconds, checksums } = control.results();
    this.#losses = losses;
    this.#correct = correct;
    this.#seconds = seconds;
    this.#checksums = checksums;
  }

  get committed(): number {
    return this.#committed;
  }

  /** The step of the epoch that this thread is in, and the barriers it has come to in it. */
  get step(): number {
    return this.#step;
  }

  get barriers(): number {
    return this.#barriers;
  }

  /** Takes up the count where the team's last committed step left it. */
  resume(): void {
    this.#committed = Atomics.load(this.#words, words.committed);
  }

  begin(step: number): void {
    this.#step = step;
    this.#barriers = 0;
    this.#waitedMs = 0;
    this.#stepStartMs = performance.now();
    // One thread decides, before it comes to the step's first barrier; all others read after its last.
    if (this.#rank === 0 && Atomics.load(this.#words, words.stop) !== 0) {
      Atomics.store(this.#words, words.limit, step + 1);
    }
  }

  commit(step: number, batch: BatchResult, checksum: bigint, shards: number): boolean {
    const elapsedMs = performance.now() - this.#stepStartMs;
    this.#busySeconds[0] += (elapsedMs - this.#waitedMs) / 1000;
    Atomics.add(this.#words, this.#shards, shards);
    this.#committed += 1;
    if (this.#rank === 0) {
      this.#losses[step] = batch.loss;
      this.#correct[step] = batch.correct;
      this.#seconds[step] = elapsedMs / 1000;
      this.#checksums[step] = checksum;
      Atomics.store(this.#words, words.committed, this.#committed);
    }
    return step + 1 < Atomics.load(this.#words, words.limit);
  }

  /** Waits at a barrier, on the clock of waiting and not of work. */
  wait(barrier: () => void): void {
    this.alive();
    this.#barriers += 1;
    this.waiting(barrier);
  }

  /** Does something that is waiting for others, too. */
  waiting(action: () => void): void {
    const start = performance.now();
    action();
    this.#waitedMs += performance.now() - start;
  }

  /** All threads end after the step that they are in: to be said by one of them, before its last barrier. */
  endAfterThis(): void {
    Atomics.store(this.#words, words.limit, this.#step + 1);
  }

  /** Seconds that all threads were busy in committed steps. */
  busySeconds(): number {
    return this.#allBusySeconds.reduce((sum, [seconds]) => sum + seconds, 0);
  }

  /** Shows the watcher that this thread moves. */
  alive(): void {
    Atomics.add(this.#words, this.#alive, 1);
  }
}
