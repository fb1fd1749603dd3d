/**
 * The threads of one process: long-running piscina tasks with a rank each, over one shared memory. The main
 * thread commands them, watches them, and replaces the dead: their step was not committed and is run again.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { checkNumber } from '../shared/calls.ts';
import { LockstepError, reasonOf } from '../shared/errors.ts';
import type { MemoryPlan } from '../shared/model/memory-plan.ts';
import { NonFinite } from '../shared/model/non-finite.ts';
import type { Replica } from '../shared/reduction/span.ts';
import { planSetup, type Setup, Training } from '../shared/training.ts';
import { abortBarrier, resetBarrier } from './barrier.ts';
import { Control, kinds, own, words } from './control.ts';
import type { Failpoint } from './failpoint.ts';
import type { ThreadTask } from './thread.ts';

export interface TeamOptions {
  readonly setup: Setup;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** A thread that has not moved for so long is ended and replaced. */
  readonly stepTimeoutMs?: number;
  /** JavaScript heap of a thread, in MiB. */
  readonly maxHeapMiB?: number;
  /** For tests: where threads are to fail, each once. */
  readonly failpoints?: readonly Failpoint[];
}

/** How a run of steps ended; `step` is the number of steps done in the epoch. */
export type StepsOutcome =
  | { readonly kind: 'done'; readonly step: number }
  | { readonly kind: 'stopped'; readonly step: number }
  | { readonly kind: 'nonFinite'; readonly step: number; readonly where: string };

export interface ThreadAccount {
  readonly name: string;
  readonly threads: 1;
  /** Shards computed in committed steps. */
  readonly shards: number;
  /** Seconds spent computing in committed steps. */
  readonly seconds: number;
}

const defaultStepTimeoutMs = 30_000;
/** Two looks of the watcher at the threads. */
const watchMs = 250;
/** A step that kills its threads this often will go on killing them. */
const mostAttempts = 4;
/** Starting a thread takes 50 ms; on a machine that is busy with something else perhaps a second. */
const startTimeoutMs = 60_000;

/** A thread that was told to end and has not within this time runs native code; nobody can end it. */
const exitTimeoutMs = 10_000;

/** More threads than this are a mistake; each has memory of its own. */
export const mostThreads = 1024;

/**
 * Checks a number of threads.
 * @throws LockstepError (USAGE)
 */
export function checkThreads(threads: number, where: string, shown = String(threads)): number {
  return checkNumber(threads, { kind: 'integer', min: 1, max: mostThreads }, where, shown);
}

/** One rank's task, and the worker thread that runs it once that is known. */
interface Member {
  readonly task: Promise<void>;
  readonly abort: AbortController;
  worker: Worker | null;
  /** Why the task ended, if it did. */
  failure: string | null;
}

export class Team {
  readonly plan: MemoryPlan;
  readonly size: number;
  /** Threads that died and were replaced, and the shards of the steps that were run again. */
  deaths = 0;
  shardsRecomputed = 0;
  readonly #options: TeamOptions;
  readonly #control: Control;
  readonly #words: Int32Array;
  readonly #pool: Piscina;
  readonly #members: Member[] = [];
  readonly #failpoints: Failpoint[];
  readonly #stepTimeoutMs: number;
  #closing = false;

  private constructor(options: TeamOptions) {
    const { plan } = planSetup(options.setup);
    this.plan = plan;
    this.size = options.setup.sizes.threads;
    this.#options = options;
    this.#control = new Control(options.memory, plan);
    this.#words = this.#control.words;
    this.#failpoints = [...(options.failpoints ?? [])];
    this.#stepTimeoutMs = options.stepTimeoutMs ?? defaultStepTimeoutMs;
    this.#pool = new Piscina({
      filename: new URL(`./thread${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: this.size,
      maxThreads: this.size,
      idleTimeout: Number.POSITIVE_INFINITY,
      execArgv: [],
      ...(options.maxHeapMiB === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMiB } }),
    });
  }

  /**
   * Starts the threads of a setup; the memory must hold its data and initial replica.
   * @throws LockstepError (TEAM) when threads do not start
   */
  static async start(options: TeamOptions): Promise<Team> {
    const team = new Team(options);
    try {
      for (let rank = 0; rank < team.size; rank++) team.#members.push(team.#launch(rank));
      const failures = await team.#settle(startTimeoutMs);
      if (failures.length > 0)
        throw new LockstepError('TEAM', `threads did not start: ${failures.join('; ')}`);
      team.#findWorkers();
      return team;
    } catch (error) {
      await team.#pool.destroy();
      throw error;
    }
  }

  /** Steps committed since the training began; its parity tells which replica is current. */
  get committed(): number {
    return Atomics.load(this.#words, words.committed);
  }

  /** Steps committed in this epoch, also while more are being computed. */
  get step(): number {
    return Atomics.load(this.#words, words.step);
  }

  /** The current replica, byte offsets. */
  get replica(): Replica {
    return this.plan.replicas[this.committed % 2];
  }

  /** Average losses of the epoch's steps and the seconds they took, good below `step`. */
  results(): { losses: Float32Array; seconds: Float64Array } {
    return this.#control.results();
  }

  account(): ThreadAccount[] {
    return this.#members.map((_, rank) => ({
      name: `thread ${rank}`,
      threads: 1,
      shards: this.#own(rank, own.shards),
      seconds: this.#control.busySeconds(rank)[0],
    }));
  }

  /** Asks the team to end after the step that it is computing. */
  stop(): void {
    Atomics.store(this.#words, words.stop, 1);
  }

  /**
   * Takes the steps `first … end−1` of the epoch whose order is in memory.
   * @throws LockstepError (TEAM) when threads die again and again at the same step
   */
  async trainSteps(first: number, end: number): Promise<StepsOutcome> {
    const nonFinite = new NonFinite(this.#options.memory, this.plan.nonFinite);
    Atomics.store(this.#words, words.step, first);
    await this.#command(kinds.train, () => {
      nonFinite.clear();
      Atomics.store(this.#words, words.firstStep, this.step);
      Atomics.store(this.#words, words.endStep, end);
      Atomics.store(this.#words, words.limit, end);
    });
    const step = this.step;
    if (step < end && nonFinite.found()) {
      const { setup, module, memory } = this.#options;
      const alone = new Training(setup, module, memory, 0, 1);
      return { kind: 'nonFinite', step, where: alone.describeNonFinite(step, this.committed) };
    }
    return { kind: step < end ? 'stopped' : 'done', step };
  }

  /** Evaluates a split with the current replica; losses and predictions are in memory afterwards. */
  async evaluate(split: 'train' | 'test'): Promise<void> {
    await this.#command(split === 'test' ? kinds.evaluateTest : kinds.evaluateTrain, () => {});
  }

  /** Ends the threads; safe to call again, and after any failure. */
  async close(): Promise<void> {
    if (this.#members.every(({ failure }) => failure === null)) {
      this.#closing = true;
      this.#give(kinds.end);
      await Promise.all(this.#members.map(({ task }) => task));
    }
    await this.#pool.destroy();
  }

  /** Gives a command, and again to a mended team as often as threads die in it. */
  async #command(kind: number, prepare: () => void): Promise<void> {
    let attempts = 0;
    let lastStep = -1;
    for (;;) {
      prepare();
      this.#give(kind);
      const failures = await this.#settle(this.#stepTimeoutMs);
      if (failures.length === 0) return;
      const step = this.step;
      attempts = step === lastStep ? attempts + 1 : 1;
      lastStep = step;
      if (attempts === mostAttempts) {
        throw new LockstepError(
          'TEAM',
          `threads died ${attempts} times in a row at step ${step} of the epoch, the last time: ${failures.join('; ')}`,
        );
      }
      if (kind === kinds.train) this.shardsRecomputed += this.#shardsOf(step);
      await this.#replaceDead();
    }
  }

  #give(kind: number): void {
    Atomics.store(this.#words, words.kind, kind);
    Atomics.add(this.#words, words.command, 1);
    Atomics.notify(this.#words, words.command);
  }

  /**
   * Returns when every thread has finished the current command or is gone, with the reasons why some are. At
   * the first death the others are called off; threads that do not move for `timeoutMs` are ended.
   */
  async #settle(timeoutMs: number): Promise<string[]> {
    let lastMoveMs = performance.now();
    let lastAlive = '';
    for (;;) {
      const seen = Atomics.load(this.#words, words.finished);
      const pending = this.#members.filter(
        (member, rank) => member.failure === null && !this.#hasFinished(rank),
      );
      if (pending.length === 0) break;
      if (pending.length < this.#members.length && this.#members.some(({ failure }) => failure !== null)) {
        abortBarrier(this.#words);
      }
      const alive = this.#members.map((_, rank) => this.#own(rank, own.alive)).join();
      if (alive !== lastAlive) lastMoveMs = performance.now();
      lastAlive = alive;
      if (performance.now() - lastMoveMs > timeoutMs) this.#endOverdue(pending, timeoutMs);
      // A thread that finishes or dies raises the word; the time is for the watch.
      await Atomics.waitAsync(this.#words, words.finished, seen, watchMs).value;
    }
    return this.#members.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  }

  /** Of those that are still in a command, the ones that moved least are what the others wait for. */
  #endOverdue(pending: readonly Member[], timeoutMs: number): void {
    const moves = (member: Member) => this.#own(this.#members.indexOf(member), own.alive);
    const least = Math.min(...pending.map(moves));
    for (const member of pending.filter((candidate) => moves(candidate) === least)) {
      this.#fail(member, `thread ${this.#members.indexOf(member)} did not move for ${timeoutMs} ms`);
      member.abort.abort();
    }
  }

  /** Waits until the dead are really gone, since until then they may write to the memory, and starts new ones. */
  async #replaceDead(): Promise<void> {
    for (const [rank, member] of this.#members.entries()) {
      if (member.failure === null) continue;
      this.deaths += 1;
      await this.#gone(rank, member);
      this.#members[rank] = this.#launch(rank);
    }
    resetBarrier(this.#words);
    const failures = await this.#settle(startTimeoutMs);
    if (failures.length > 0)
      throw new LockstepError('TEAM', `threads could not be replaced: ${failures.join('; ')}`);
    this.#findWorkers();
  }

  async #gone(rank: number, { worker }: Member): Promise<void> {
    // A task that threw leaves its thread alive and idle, ready for the next task.
    if (worker === null || worker.threadId === -1 || this.#pool.threads.includes(worker)) return;
    try {
      await once(worker, 'exit', { signal: AbortSignal.timeout(exitTimeoutMs) });
    } catch (cause) {
      throw new LockstepError(
        'TEAM',
        `thread ${rank} did not end within ${exitTimeoutMs} ms of being told to`,
        { cause },
      );
    }
  }

  #launch(rank: number): Member {
    const { setup, module, memory } = this.#options;
    const failpoint = this.#failpoints.findIndex((point) => point.rank === rank);
    const task: ThreadTask = {
      setup,
      module,
      memory,
      rank,
      lastCommand: Atomics.load(this.#words, words.command),
      cores: availableParallelism(),
      barrierDeadlineMs: 2 * this.#stepTimeoutMs,
      failpoint: this.#failpoints.splice(failpoint, failpoint < 0 ? 0 : 1)[0] ?? null,
    };
    Atomics.store(this.#words, this.#control.own(rank, own.finished), -1);
    const abort = new AbortController();
    const ended = (reason: string) => {
      if (!this.#closing) this.#fail(member, `thread ${rank} ${reason}`);
    };
    const member: Member = {
      task: this.#pool.run(task, { signal: abort.signal }).then(
        () => ended('ended by itself'),
        (error: unknown) => ended(`died: ${reasonOf(error)}`),
      ),
      abort,
      worker: null,
      failure: null,
    };
    return member;
  }

  /** Notes why a member is lost, the first reason only, and wakes whoever waits for it. */
  #fail(member: Member, reason: string): void {
    member.failure ??= reason;
    Atomics.add(this.#words, words.finished, 1);
    Atomics.notify(this.#words, words.finished);
  }

  /** Notes which worker thread runs which rank, to be able to wait for its end. */
  #findWorkers(): void {
    for (const [rank, member] of this.#members.entries()) {
      const id = this.#own(rank, own.threadId);
      member.worker = this.#pool.threads.find(({ threadId }) => threadId === id) ?? null;
    }
  }

  #hasFinished(rank: number): boolean {
    return this.#own(rank, own.finished) === Atomics.load(this.#words, words.command);
  }

  #own(rank: number, word: number): number {
    return Atomics.load(this.#words, this.#control.own(rank, word));
  }

  #shardsOf(step: number): number {
    const { batchSize, shardSize, epochSamples } = this.#options.setup.sizes;
    return Math.ceil(Math.min(batchSize, epochSamples - step * batchSize) / shardSize);
  }
}
