/**
 * The team of one rank as its coordinator sees it. Every rank has a coordinator, and all of them do the same: they train the
 * same steps, take a share of each evaluation, and end after the same step.
 */
import { LockstepError } from '../../shared/errors.ts';
import type { Kernels } from '../../shared/kernels/kernels.ts';
import { instantiateKernels } from '../../shared/kernels/load.ts';
import { evaluationShard, lossSlotBytes } from '../../shared/model/memory-plan.ts';
import { noteBytes, rankPlaceOf } from '../../shared/model/rank-plan.ts';
import { type RankOf, shareOf } from '../../shared/reduction/ranks.ts';
import { planSetup, type StepsOutcome, type WorkAccount } from '../../shared/training.ts';
import { Control, problems, words } from '../control.ts';
import { Team, type TeamOptions } from '../team.ts';
import { thisProcess } from '../team-watch.ts';
import { Notes } from './notes.ts';
import type { World } from './world.ts';

/** A rank as the others know it. */
export interface RankFacts {
  readonly host: string;
  readonly threads: number;
  readonly kernels: string;
}

export interface RankTeamOptions extends TeamOptions {
  readonly world: World;
  readonly mpi: NonNullable<TeamOptions['mpi']>;
  /** By rank. */
  readonly facts: readonly RankFacts[];
  /** Told that all ranks end after the step that was computed last, because one of them was asked to, with an exit code. */
  readonly onAgreedStop: (exitCode: number) => void;
}

const checksumBytes = 8;
/** How long ranks have to say that they are there, when others are missed. */
const rollCallMs = 2000;

export class RankTeam {
  readonly #options: RankTeamOptions;
  readonly #team: Team;
  readonly #words: Int32Array;
  readonly #ranks: RankOf;
  readonly #notes: Notes;
  readonly #kernels: Kernels;
  /** Steps that were committed when it began. */
  readonly #from: number;

  private constructor(options: RankTeamOptions, team: Team) {
    this.#options = options;
    this.#team = team;
    this.#words = new Control(options.memory, team.plan).words;
    this.#ranks = rankPlaceOf(team.plan).ranks;
    this.#notes = new Notes(options.memory);
    this.#kernels = instantiateKernels(options.kernels, options.memory);
    this.#from = team.committed;
  }

  /** @throws LockstepError (TEAM) when threads do not start */
  static async start(options: RankTeamOptions): Promise<RankTeam> {
    return new RankTeam(options, await Team.start(options));
  }

  /** All ranks are there from the start, and nobody joins later. */
  async gather(): Promise<void> {}
  readonly joins = 0;
  readonly deaths = 0;
  readonly shardsRecomputed = 0;
  readonly isWaiting = false;

  get committed() {
    return this.#team.committed;
  }

  get replica() {
    return this.#team.replica;
  }

  results() {
    return this.#team.results();
  }

  /** Steps are timed at this rank alone. */
  watchSteps(...watch: Parameters<Team['watchSteps']>) {
    return this.#team.watchSteps(...watch);
  }

  watchRate(...wanted: Parameters<Team['watchRate']>) {
    return this.#team.watchRate(...wanted);
  }

  /** Asks all ranks to end: after the step in which they learn of it. */
  stop(exitCode = 1): void {
    Atomics.compareExchange(this.#words, words.vote, 0, exitCode);
  }

  /** Ends `trainSteps` of this rank after the step that is being computed, this once; the others wait for it. */
  pause(): boolean {
    return this.#team.pause();
  }

  /**
   * Takes the steps `first … end−1` of the epoch with all other ranks.
   * @throws LockstepError (MPI) when they are missing or differ, (TEAM) when a thread died
   */
  async trainSteps(first: number, end: number): Promise<StepsOutcome> {
    const outcome = await this.#team.trainSteps(first, end);
    const problem = Atomics.load(this.#words, words.problem);
    if (problem !== problems.none) throw await this.#explain(problem);
    const agreed = Atomics.load(this.#words, words.agreed);
    if (agreed !== 0) this.#options.onAgreedStop(agreed);
    return outcome;
  }

  /** Evaluates a split, each rank a share of it; losses and predictions of all are in memory afterwards. */
  async evaluate(split: 'train' | 'test'): Promise<void> {
    const { world, mpi } = this.#options;
    const { samples } = this.#team.plan[split];
    const shardCount = Math.ceil(samples / evaluationShard);
    const shares = this.#options.facts.map((_, rank) =>
      shareOf(shardCount, { rank, count: this.#ranks.count }),
    );
    const own = shares[this.#ranks.rank];
    await this.#team.evaluate(split, { from: own.lo, to: own.hi });
    const views = shares.map(({ lo, hi }) => this.#evaluated(lo, hi, samples));
    const [losses, predictions] = views[this.#ranks.rank];
    const replica = this.#replicaChecksum();
    const gathered = await world.allGather(
      Buffer.concat([replica, losses, predictions]),
      'the evaluation',
      mpi.deadlineMs,
    );
    for (const [rank, bytes] of gathered.entries()) {
      if (rank === this.#ranks.rank) continue;
      const [itsLosses, itsPredictions] = views[rank];
      const expected = checksumBytes + itsLosses.length + itsPredictions.length;
      if (bytes.length !== expected) {
        throw new LockstepError(
          'MPI',
          `${this.#nameOf(rank)}: got ${bytes.length} bytes of an evaluation, expected ${expected}`,
        );
      }
      // The next step would tell, but there may be none.
      if (replica.compare(bytes, 0, checksumBytes) !== 0) throw this.#doubt(rank, this.committed);
      itsLosses.set(bytes.subarray(checksumBytes, checksumBytes + itsLosses.length));
      itsPredictions.set(bytes.subarray(checksumBytes + itsLosses.length));
    }
  }

  workersNow() {
    const { batchSize, shardSize } = this.#options.setup.sizes;
    const shardCount = Math.ceil(batchSize / shardSize);
    return this.account().map(
      ({ name, threads, shards, seconds }, rank) =>
        ({
          id: rank === this.#ranks.rank ? thisProcess.id : `rank-${rank}`,
          name,
          address: rank === this.#ranks.rank ? null : this.#options.facts[rank].host,
          rank,
          threads,
          kernels: this.#options.facts[rank].kernels,
          state: 'working',
          share: shareOf(shardCount, { rank, count: this.#ranks.count }),
          shards,
          seconds,
          delayMs: null,
          silentMs: null,
        }) as const,
    );
  }

  /** What each rank did; of other ranks' seconds, what they told with the last gradient. */
  account(): WorkAccount[] {
    const { notes } = rankPlaceOf(this.#team.plan);
    return this.#options.facts.map(({ threads }, rank) => ({
      name: `rank ${rank}`,
      threads,
      shards: this.#shardsOf(rank),
      seconds: this.#notes.read(notes + rank * noteBytes).busySeconds,
    }));
  }

  /** Ends the threads; safe to call again, and after any failure. */
  close(): Promise<void> {
    return this.#team.close();
  }

  /** The losses and predictions of some shards of a split, as they lie in memory. */
  #evaluated(lo: number, hi: number, samples: number): [losses: Uint8Array, predictions: Uint8Array] {
    const { evaluationLosses, predictions } = this.#team.plan;
    const { buffer } = this.#options.memory;
    const first = Math.min(lo * evaluationShard, samples);
    const end = Math.min(hi * evaluationShard, samples);
    return [
      new Uint8Array(buffer, evaluationLosses + lo * lossSlotBytes, (hi - lo) * lossSlotBytes),
      new Uint8Array(buffer, predictions + first, end - first),
    ];
  }

  /** The shards that a rank has computed in committed steps: what is planned, as nobody takes over from another. */
  #shardsOf(rank: number): number {
    const { batchSize, shardSize, epochSamples } = this.#options.setup.sizes;
    const steps = Math.ceil(epochSamples / batchSize);
    const lastsUntil = (committed: number) => Math.floor(committed / steps);
    const done = this.committed - this.#from;
    const lasts = lastsUntil(this.committed) - lastsUntil(this.#from);
    const shardsIn = (rows: number) => {
      const { lo, hi } = shareOf(Math.ceil(rows / shardSize), { rank, count: this.#ranks.count });
      return hi - lo;
    };
    const lastRows = epochSamples - (steps - 1) * batchSize;
    return (done - lasts) * shardsIn(batchSize) + lasts * shardsIn(lastRows);
  }

  /** Why the ranks cannot go on together. */
  async #explain(problem: number): Promise<LockstepError> {
    const step = this.committed + 1;
    const other = this.#nameOf(Atomics.load(this.#words, words.problemRank));
    switch (problem) {
      case problems.overdue:
        return new LockstepError('MPI', await this.#whoIsMissing(step));
      case problems.different:
        return this.#doubt(Atomics.load(this.#words, words.problemRank), step - 1);
      default:
        return new LockstepError(
          'MPI',
          `${other} is at another step than rank ${this.#ranks.rank}, which is at step ${step}`,
        );
    }
  }

  #doubt(rank: number, step: number): LockstepError {
    return new LockstepError(
      'DOUBT',
      `${this.#nameOf(rank)} has another model than rank ${this.#ranks.rank} after step ${step}: a bit has flipped in a memory, ` +
        'or a processor computes wrongly; go on from the checkpoint before, on other machines',
    );
  }

  /** Of the flat vector as it lies in memory, between two steps. */
  #replicaChecksum(): Buffer {
    const { memory, setup } = this.#options;
    const { architecture, plan } = planSetup(setup);
    const { checksums } = rankPlaceOf(plan);
    const bytes = Buffer.from(memory.buffer, checksums, checksumBytes);
    bytes.fill(0);
    this.#kernels.checksum(this.replica.flat, architecture.flatSize, 0, checksums);
    return Buffer.from(bytes);
  }

  async #whoIsMissing(step: number): Promise<string> {
    const { world, mpi } = this.#options;
    const when = `the exchange ${Atomics.load(this.#words, words.problemExchange) + 1} of step ${step}`;
    if (Atomics.load(this.#words, words.vote) !== 0) {
      return `asked to stop, and the other ranks did not come to ${when}: they are gone, or ending, too`;
    }
    const silent = await world.silentRanks(rollCallMs);
    const who = silent.length === 0 ? 'the other ranks' : silent.map((rank) => this.#nameOf(rank)).join(', ');
    return `${who} did not come to ${when} within ${mpi.deadlineMs / 1000} s; the job ends, and goes on with --resume`;
  }

  #nameOf(rank: number): string {
    return `rank ${rank} (${this.#options.facts[rank].host})`;
  }
}
