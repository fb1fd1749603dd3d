/**
 * The team of one process as the coordinator sees it: it trains steps, evaluates, and says who did what. How its
 * threads live and die is in team-threads.ts.
 */
import { hostname } from 'node:os';
import { checkNumber } from '../shared/calls.ts';
import { LockstepError } from '../shared/errors.ts';
import {
  evaluationShard,
  exchangePlaceOf,
  type MemoryPlan,
  outboxSlots,
} from '../shared/model/memory-plan.ts';
import { NonFinite } from '../shared/model/non-finite.ts';
import type { Replica } from '../shared/reduction/span.ts';
import type { TreeNode } from '../shared/reduction/tree.ts';
import type { StepListener, WatchRate } from '../shared/step-listeners.ts';
import { planSetup, type Setup, type StepsOutcome, Training, type WorkAccount } from '../shared/training.ts';
import { Control, kinds, own, type StepResults, words } from './control.ts';
import { type PhaseSeconds, phaseSeconds } from './profile.ts';
import { type Recorded, RecordingReader } from './recording.ts';
import { failuresError, TeamThreads, type TeamThreadsOptions, type ThreadFailure } from './team-threads.ts';
import { TeamWatch, thisProcess } from './team-watch.ts';

export interface TeamOptions extends TeamThreadsOptions {
  /** Steps that were done before; the replica after them must be in memory where it lay then. */
  readonly committed?: number;
  /** A thread that has not moved for so long is ended and replaced. */
  readonly threadTimeoutMs?: number;
}

/** A thread that does nothing for this long, beside the time that its work may honestly take, hangs. */
const idleTimeoutMs = 30_000;
/** What the slowest kernels do on a slow core that many threads share: a twentieth of what is seen here. */
const slowestMultiplyAddsPerMs = 20_000;
/** A step that kills its threads this often will go on killing them. */
const mostAttempts = 4;
/** More threads than this are a mistake; each has memory of its own. */
export const mostThreads = 1024;

/**
 * Checks a number of threads.
 * @throws LockstepError (USAGE)
 */
export function checkThreads(threads: number, where: string, shown = String(threads)): number {
  return checkNumber(threads, { kind: 'integer', min: 1, max: mostThreads }, where, shown);
}

export class Team {
  readonly plan: MemoryPlan;
  /** Shards of the steps that were run again because a thread died in them. */
  shardsRecomputed = 0;
  readonly #options: TeamOptions;
  readonly #control: Control;
  readonly #words: Int32Array;
  readonly #threads: TeamThreads;
  readonly #threadTimeoutMs: number;
  readonly #results: StepResults;
  readonly #recordings: RecordingReader;
  readonly #watch: TeamWatch;
  /** Tree nodes of the step that goes from exchange to exchange. */
  #held: TreeNode[] = [];
  #isStopping = false;

  private constructor(options: TeamOptions) {
    this.plan = planSetup(options.setup).plan;
    this.#options = options;
    this.#control = new Control(options.memory, this.plan);
    this.#words = this.#control.words;
    this.#results = this.#control.results();
    this.#recordings = new RecordingReader(options.memory, this.plan);
    this.#watch = new TeamWatch(this, () => this.committed);
    this.#threadTimeoutMs = options.threadTimeoutMs ?? threadTimeoutMs(options.setup);
    const deadlineMs = 2 * this.#threadTimeoutMs + (options.mpi?.deadlineMs ?? 0);
    this.#threads = new TeamThreads(options, this.#control, deadlineMs);
  }

  /**
   * Starts the threads of a setup; the memory must hold its data and initial replica.
   * @throws LockstepError (TEAM) when threads do not start
   */
  static async start(options: TeamOptions): Promise<Team> {
    const team = new Team(options);
    team.resumeAt(options.committed ?? 0);
    await team.#threads.start();
    return team;
  }

  /** The threads of a process are there from the start. */
  async gather(): Promise<void> {}

  /** Nobody joins the threads of a process. */
  get joins(): number {
    return 0;
  }

  /** Threads that died and were replaced. */
  get deaths(): number {
    return this.#threads.deaths;
  }

  /** Steps committed since the training began; its parity tells which replica is current. */
  get committed(): number {
    return Atomics.load(this.#words, words.committed);
  }

  /** Steps committed in this epoch, also while more are being computed. */
  get step(): number {
    return this.committed - Atomics.load(this.#words, words.epochBase);
  }

  /** The current replica, byte offsets. */
  get replica(): Replica {
    return this.plan.replicas[this.committed % 2];
  }

  /** What came of the epoch's steps, good below `step`. */
  results(): StepResults {
    return this.#results;
  }

  /** Threads of this process are never waited for. */
  get isWaiting(): boolean {
    return false;
  }

  /** This process, as the one worker of its run. */
  workersNow() {
    const work = this.account();
    const sum = (of: (thread: WorkAccount) => number) =>
      work.reduce((total, thread) => total + of(thread), 0);
    const { batchSize, shardSize } = this.#options.setup.sizes;
    return [
      {
        ...thisProcess,
        address: null,
        rank: 0,
        threads: work.length,
        kernels: this.#options.kernels.set,
        state: 'working',
        share: { lo: 0, hi: Math.ceil(batchSize / shardSize) },
        shards: sum(({ shards }) => shards),
        seconds: sum(({ seconds }) => seconds),
        delayMs: null,
        silentMs: null,
      } as const,
    ];
  }

  /** What each thread did, by rank. */
  account(): WorkAccount[] {
    return this.plan.threads.map((_, rank) => ({
      name: `thread ${rank}`,
      threads: 1,
      shards: Atomics.load(this.#words, this.#control.own(rank, own.shards)),
      seconds: this.#control.busySeconds(rank)[0],
    }));
  }

  /** The seconds that each thread spent in each phase of its steps, by rank; all 0 unless `profile` is on. */
  profile(): PhaseSeconds[] {
    return this.plan.threads.map((_, rank) => phaseSeconds(this.#control.phaseSeconds(rank)));
  }

  /** Has a step timed now and then, thread by thread, and tells of it, until what is returned is called. */
  watchSteps(listener: StepListener, rate?: WatchRate): () => void {
    return this.#watch.listeners.add(listener, rate);
  }

  /** What is told to one who wants so much: all of it. */
  watchRate(wanted: WatchRate): WatchRate {
    return wanted;
  }

  /** From now on records steps before which a multiple of so many were committed; 0: none. */
  record(every: number): void {
    // What was left when it was switched off is old.
    if (Atomics.exchange(this.#words, words.record, every) === 0) this.#recordings.forget();
  }

  /** The steps that were recorded since the last time. */
  recorded(): Recorded[] {
    return this.#recordings.take();
  }

  /** Asks the team to end after the step that it is computing, and after every other that it is told to take. */
  stop(): void {
    this.#isStopping = true;
    Atomics.store(this.#words, words.stop, 1);
  }

  /** Asks the team to end after the step that it is computing, this once. False: until then, nothing stands still. */
  pause(): boolean {
    Atomics.store(this.#words, words.stop, 1);
    return false;
  }

  /**
   * Takes the steps `first … end−1` of the epoch whose order is in memory.
   * @throws LockstepError (TEAM) when threads die again and again at the same step; as a rank of a job (TEAM, MPI) at once
   */
  async trainSteps(first: number, end: number): Promise<StepsOutcome> {
    const nonFinite = new NonFinite(this.#options.memory, this.plan.nonFinite);
    Atomics.store(this.#words, words.epochBase, this.committed - first);
    Atomics.store(this.#words, words.stop, this.#isStopping ? 1 : 0);
    await this.#command(() => {
      nonFinite.clear();
      Atomics.store(this.#words, words.firstStep, this.step);
      Atomics.store(this.#words, words.endStep, end);
      Atomics.store(this.#words, words.limit, end);
      return kinds.train;
    });
    const step = this.step;
    nonFinite.turnTo(this.committed);
    if (step < end && nonFinite.found()) {
      const { setup, kernels, memory, mpi } = this.#options;
      const alone = new Training(setup, kernels, memory, 0, 1);
      // Of what other ranks computed, only totals are here.
      if (mpi !== undefined) alone.tryStep(step, this.committed);
      if (!nonFinite.found()) {
        throw new LockstepError(
          'DOUBT',
          `a rank brought NaN or infinity to step ${this.committed + 1}, which has none: a bit has flipped in a memory, or a ` +
            'processor computes wrongly; go on from the checkpoint before, on other machines',
        );
      }
      return { kind: 'nonFinite', step, where: alone.describeNonFinite(step, this.committed) };
    }
    return { kind: step < end ? 'stopped' : 'done', step };
  }

  /**
   * Evaluates shards of a split, all if nothing is said, with the current replica; losses and predictions are in memory
   * afterwards.
   */
  async evaluate(
    split: 'train' | 'test',
    { from, to } = { from: 0, to: Math.ceil(this.plan[split].samples / evaluationShard) },
  ): Promise<void> {
    await this.#command(() => {
      Atomics.store(this.#words, words.firstStep, from);
      Atomics.store(this.#words, words.endStep, to);
      return split === 'test' ? kinds.evaluateTest : kinds.evaluateTrain;
    });
  }

  // a step whose exchanges are made with workers elsewhere

  /**
   * Computes the partials of tree nodes at an exchange of a step: `begin` from the step's start; `extend`, the same
   * beside what is held; `advance`, with all that is held, from the exchange before. Totals of earlier exchanges must be
   * in memory. Hands each partial over as a view of memory that is good until `take` returns.
   * @param step its number in the epoch
   */
  async compute(
    how: 'begin' | 'extend' | 'advance',
    step: number,
    exchange: number,
    nodes: readonly TreeNode[],
    take: (node: TreeNode, partial: Uint8Array) => void,
  ): Promise<void> {
    this.#held = how === 'extend' ? [...this.#held, ...nodes] : [...nodes];
    const { outbox, slotBytes } = exchangePlaceOf(this.plan);
    for (let first = 0; first < nodes.length; first += outboxSlots) {
      const merged = nodes.slice(first, first + outboxSlots);
      await this.#command((isAgain) => {
        Atomics.store(this.#words, words.firstStep, step);
        Atomics.store(this.#words, words.exchange, exchange);
        // A new thread knows nothing of the step, so all take it from its start.
        const held = isAgain ? this.#held : how !== 'advance' && first === 0 ? nodes : [];
        this.#control.writeNodes(held, merged);
        if (isAgain) return kinds.begin;
        return first === 0 ? kinds[how] : kinds.merge;
      });
      for (const [slot, node] of merged.entries()) {
        take(node, new Uint8Array(this.#options.memory.buffer, outbox + slot * slotBytes, slotBytes));
      }
    }
  }

  /** Makes a step's update from the total gradient in memory; the new replica is current then. */
  async apply(step: number): Promise<void> {
    this.#held = [];
    const nonFinite = new NonFinite(this.#options.memory, this.plan.nonFinite);
    await this.#command(() => {
      // What is not finite is the coordinator's to judge, which makes the same update.
      nonFinite.clear();
      Atomics.store(this.#words, words.firstStep, step);
      return kinds.apply;
    });
    Atomics.add(this.#words, words.committed, 1);
  }

  /** Takes the replica before so many steps as the current one. */
  resumeAt(committed: number): void {
    Atomics.store(this.#words, words.committed, committed);
  }

  /** Ends the threads; safe to call again, and after any failure. */
  async close(): Promise<void> {
    this.#watch.stop();
    await this.#threads.end();
  }

  /**
   * Gives a command, and again to a mended team as often as threads die in it.
   * @param prepare writes what the command needs, and returns its kind
   */
  async #command(prepare: (isAgain: boolean) => number): Promise<void> {
    let attempts = 0;
    let lastStep = -1;
    for (;;) {
      const kind = prepare(attempts > 0);
      this.#threads.give(kind);
      const failures = await this.#threads.settle(this.#threadTimeoutMs);
      if (failures.length === 0) return;
      const step = this.step;
      // Other ranks wait in the middle of the step, and cannot begin it again.
      if (this.#options.mpi !== undefined) throw this.#endOfRank(failures, kind);
      attempts = step === lastStep ? attempts + 1 : 1;
      lastStep = step;
      if (attempts === mostAttempts) {
        const where = `${attempts} times in a row at step ${step} of the epoch`;
        throw failuresError(failures, (reasons) => `threads died ${where}, the last time: ${reasons}`);
      }
      // A survivor may have ended a step that is run again.
      this.#recordings.forget();
      if (kind === kinds.train) this.shardsRecomputed += this.#shardsOf(step);
      await this.#threads.replaceDead();
    }
  }

  /** What a rank ends with that has lost threads, in the words in which a job names ranks. */
  #endOfRank(failures: readonly ThreadFailure[], kind: number): LockstepError {
    const rank = this.#options.setup.sizes.ranks?.rank ?? 0;
    const when = kind === kinds.train ? `at step ${this.committed + 1}` : `after step ${this.committed}`;
    return failuresError(
      failures,
      (reasons) =>
        `rank ${rank} (${hostname()}) ${when}: ${reasons}; the job ends, and goes on with --resume`,
    );
  }

  #shardsOf(step: number): number {
    const { batchSize, shardSize, epochSamples } = this.#options.setup.sizes;
    // A death that is noticed after the epoch's last step costs nothing.
    return Math.ceil(Math.max(0, Math.min(batchSize, epochSamples - step * batchSize)) / shardSize);
  }
}

/** Three products of the batch with every weight, between two barriers if it must be. */
function threadTimeoutMs(setup: Setup): number {
  const { batchSize, epochSamples } = setup.sizes;
  const { flatSize } = planSetup(setup).architecture;
  const multiplyAdds = 3 * Math.min(batchSize, epochSamples) * flatSize;
  return idleTimeoutMs + Math.ceil(multiplyAdds / slowestMultiplyAddsPerMs);
}
