/**
 * The threads of a team: long-running piscina tasks with a rank each. The main thread commands them, watches them,
 * and replaces the dead once they are really gone.
 */

import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { LockstepError, reasonOf } from '../shared/errors.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import type { Setup } from '../shared/training.ts';
import { abortBarrier, resetBarrier } from './barrier.ts';
import { type Control, kinds, own, words } from './control.ts';
import type { Failpoint } from './failpoint.ts';
import type { MpiOptions } from './mpi/join-ranks.ts';
import type { ThreadTask } from './thread.ts';

export interface TeamThreadsOptions {
  readonly setup: Setup;
  readonly kernels: LoadedKernels;
  readonly memory: SharedMemory;
  /** True to measure the phases of steps, at the cost of reading the clock some 30 times a step. */
  readonly profile?: boolean;
  /** How to meet the other ranks of a job; nothing where there are none. */
  readonly mpi?: MpiOptions | undefined;
  /** Told why a thread died that is replaced. */
  readonly onDeath?: ((reason: string) => void) | undefined;
  /** JavaScript heap of a thread, in MiB. */
  readonly maxHeapMiB?: number;
  /** For tests: where threads are to fail, each once. */
  readonly failpoints?: readonly Failpoint[];
}

/** Two looks of the watcher at the threads. */
const watchMs = 250;
/** Starting a thread takes 50 ms; on a machine that is busy with something else perhaps a second. */
const startTimeoutMs = 60_000;
/** A thread that was told to end and has not within this time runs native code; nobody can end it. */
const exitTimeoutMs = 10_000;

/** Why a thread is lost. */
export interface ThreadFailure {
  readonly code: 'TEAM' | 'MPI';
  readonly reason: string;
}

/** An error with what threads are lost for; of MPI, if that is what one of them met. */
export function failuresError(
  failures: readonly ThreadFailure[],
  words: (reasons: string) => string,
): LockstepError {
  const code = failures.some((failure) => failure.code === 'MPI') ? 'MPI' : 'TEAM';
  return new LockstepError(code, words(failures.map(({ reason }) => reason).join('; ')));
}

/** One rank's task, and the worker thread that runs it once that is known. */
interface TeamThread {
  readonly task: Promise<void>;
  readonly abort: AbortController;
  worker: Worker | null;
  /** Why the task ended, if it did. */
  failure: ThreadFailure | null;
}

export class TeamThreads {
  /** Threads that died and were replaced. */
  deaths = 0;
  readonly #options: TeamThreadsOptions;
  readonly #barrierDeadlineMs: number;
  readonly #control: Control;
  readonly #words: Int32Array;
  readonly #pool: Piscina;
  readonly #threads: TeamThread[] = [];
  readonly #failpoints: Failpoint[];
  #ending = false;

  constructor(options: TeamThreadsOptions, control: Control, barrierDeadlineMs: number) {
    const { setup, maxHeapMiB, failpoints } = options;
    this.#options = options;
    this.#barrierDeadlineMs = barrierDeadlineMs;
    this.#control = control;
    this.#words = control.words;
    this.#failpoints = [...(failpoints ?? [])];
    this.#pool = new Piscina({
      filename: new URL(`./thread${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: setup.sizes.threads,
      maxThreads: setup.sizes.threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      execArgv: [],
      ...(maxHeapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB } }),
    });
  }

  /** @throws LockstepError (TEAM, MPI) when threads do not start; none is left then */
  async start(): Promise<void> {
    try {
      const { threads } = this.#options.setup.sizes;
      for (let rank = 0; rank < threads; rank++) this.#threads.push(this.#launch(rank));
      await this.#allReady('threads did not start');
    } catch (error) {
      await this.#pool.destroy();
      throw error;
    }
  }

  /** Gives all threads a command; its parameters must be in their words already. */
  give(kind: number): void {
    resetBarrier(this.#words); // threads may have left one at its deadline
    for (const rank of this.#threads.keys())
      Atomics.store(this.#words, this.#control.own(rank, own.alive), 0);
    Atomics.store(this.#words, words.kind, kind);
    Atomics.add(this.#words, words.command, 1);
    Atomics.notify(this.#words, words.command);
  }

  /**
   * Returns when every thread has finished the current command or is gone, with the reasons why some are. At
   * the first death the others are called off; threads that do not move for `timeoutMs` are ended.
   */
  async settle(timeoutMs: number): Promise<ThreadFailure[]> {
    let lastMoveMs = performance.now();
    let lastLookMs = lastMoveMs;
    let lastAlive = '';
    for (;;) {
      const seen = Atomics.load(this.#words, words.finished);
      const pending = [...this.#threads.keys()].filter((rank) => this.#isPending(rank));
      if (pending.length === 0) break;
      if (this.#failures().length > 0) abortBarrier(this.#words);
      const alive = pending.map((rank) => this.#own(rank, own.alive)).join();
      const nowMs = performance.now();
      // A watcher that was held up itself (Ctrl-Z, a sleeping laptop) accuses nobody of the time it lost.
      const lostMs = Math.max(0, nowMs - lastLookMs - 2 * watchMs);
      lastMoveMs = alive === lastAlive ? lastMoveMs + lostMs : nowMs;
      lastAlive = alive;
      lastLookMs = nowMs;
      if (nowMs - lastMoveMs > timeoutMs) this.#endOverdue(pending, timeoutMs);
      // A thread that finishes or dies raises the word; the time is for the watch.
      await Atomics.waitAsync(this.#words, words.finished, seen, watchMs).value;
    }
    return this.#failures();
  }

  /**
   * Starts new threads for the dead ones, when these are really gone: until then they may write to the memory.
   * @throws LockstepError (TEAM) when one does not end or a new one does not start
   */
  async replaceDead(): Promise<void> {
    for (const [rank, thread] of this.#threads.entries()) {
      if (thread.failure === null) continue;
      this.deaths += 1;
      this.#options.onDeath?.(thread.failure.reason);
      await this.#gone(rank, thread);
      this.#threads[rank] = this.#launch(rank);
    }
    resetBarrier(this.#words);
    await this.#allReady('threads could not be replaced');
  }

  /** Ends all threads; safe to call again, and after any failure. */
  async end(): Promise<void> {
    if (!this.#ending && this.#failures().length === 0) {
      this.#ending = true;
      this.give(kinds.end);
      await within(exitTimeoutMs, Promise.all(this.#threads.map(({ task }) => task)));
    }
    await within(exitTimeoutMs, this.#pool.destroy());
  }

  #launch(rank: number): TeamThread {
    const { setup, kernels, memory, profile = false, mpi = null } = this.#options;
    const failpoint = this.#failpoints.findIndex((point) => point.rank === rank);
    const task: ThreadTask = {
      setup,
      kernels,
      memory,
      profile,
      rank,
      lastCommand: Atomics.load(this.#words, words.command),
      cores: mpi?.cores ?? availableParallelism(),
      barrierDeadlineMs: this.#barrierDeadlineMs,
      failpoint: failpoint < 0 ? null : this.#failpoints.splice(failpoint, 1)[0],
      mpi,
    };
    Atomics.store(this.#words, this.#control.own(rank, own.finished), -1);
    const abort = new AbortController();
    const lost = (reason: string, code: ThreadFailure['code'] = 'TEAM') => {
      if (!this.#ending) this.#fail(thread, { code, reason });
    };
    const thread: TeamThread = {
      task: this.#pool.run(task, { signal: abort.signal }).then(
        (failed: string | null) =>
          failed === null ? lost(`thread ${rank} ended by itself`) : lost(failed, 'MPI'),
        (error: unknown) => lost(`thread ${rank} died: ${reasonOf(error)}`),
      ),
      abort,
      worker: null,
      failure: null,
    };
    return thread;
  }

  /** Waits until all threads, new ones too, are ready for a command, and notes which worker runs which rank. */
  async #allReady(problem: string): Promise<void> {
    const failures = await this.settle(startTimeoutMs);
    if (failures.length > 0) throw failuresError(failures, (reasons) => `${problem}: ${reasons}`);
    for (const [rank, thread] of this.#threads.entries()) {
      const id = this.#own(rank, own.threadId);
      thread.worker = this.#pool.threads.find(({ threadId }) => threadId === id) ?? null;
    }
  }

  /** Of those that are still in a command, the ones that moved least are what the others wait for. */
  #endOverdue(pending: readonly number[], timeoutMs: number): void {
    const least = Math.min(...pending.map((rank) => this.#own(rank, own.alive)));
    for (const rank of pending.filter((candidate) => this.#own(candidate, own.alive) === least)) {
      const reason = `thread ${rank} did not move for ${timeoutMs} ms`;
      this.#fail(this.#threads[rank], { code: 'TEAM', reason });
      this.#threads[rank].abort.abort();
    }
  }

  async #gone(rank: number, { worker }: TeamThread): Promise<void> {
    // A task that threw leaves its thread alive and idle, ready for the next task.
    if (worker === null || worker.threadId === -1 || this.#pool.threads.includes(worker)) return;
    try {
      await once(worker, 'exit', { signal: AbortSignal.timeout(exitTimeoutMs) });
    } catch (cause) {
      const what = `thread ${rank} did not end within ${exitTimeoutMs} ms of being told to`;
      throw new LockstepError('TEAM', what, { cause });
    }
  }

  /** Notes why a thread is lost, the first reason only, and wakes whoever waits for it. */
  #fail(thread: TeamThread, failure: ThreadFailure): void {
    thread.failure ??= failure;
    Atomics.add(this.#words, words.finished, 1);
    Atomics.notify(this.#words, words.finished);
  }

  #failures(): ThreadFailure[] {
    return this.#threads.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  }

  /** True while a rank is alive and has not finished the current command. */
  #isPending(rank: number): boolean {
    const finished = this.#own(rank, own.finished) === Atomics.load(this.#words, words.command);
    return this.#threads[rank].failure === null && !finished;
  }

  #own(rank: number, word: number): number {
    return Atomics.load(this.#words, this.#control.own(rank, word));
  }
}

/** Waits for something, but not for ever: a thread that runs native code cannot be ended by anybody. */
async function within(deadlineMs: number, work: Promise<unknown>): Promise<void> {
  const deadline = new AbortController();
  await Promise.race([work, setTimeout(deadlineMs, undefined, { signal: deadline.signal, ref: false })]);
  deadline.abort();
}
