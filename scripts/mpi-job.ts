/** A job of MPI ranks that train one run together: how they find together, and how they end. */
import { cpus, hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Run } from '../coordinator/prepare.ts';
import { LockstepError, reasonOf } from '../shared/errors.ts';
import { knownAnswerOf } from '../shared/kernels/load.ts';
import { rankPlaceOf } from '../shared/model/rank-plan.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import type { RankOf } from '../shared/reduction/ranks.ts';
import type { Attendee } from '../worker/mpi/attendee.ts';
import { greet } from '../worker/mpi/greeting.ts';
import { coresOfRank } from '../worker/mpi/join-ranks.ts';
import { attend, muster } from '../worker/mpi/muster.ts';
import type { RankFacts } from '../worker/mpi/rank-team.ts';
import { openWindows } from '../worker/mpi/windows.ts';
import { openWorld, type World } from '../worker/mpi/world.ts';
import type { Launch } from './launch.ts';
import { type Attempt, decodeStart, encodeStart, type SharedStart } from './shared-start.ts';

export interface MpiJobOptions {
  /** libmpi, null to look for it. */
  readonly file: string | null;
  readonly launch: Launch | null;
  /** For ranks to come to the job, and to every exchange. */
  readonly startMs: number;
  readonly exchangeMs: number;
  /** Whether ranks of one machine are to see each other's memory. */
  readonly windows: boolean;
}

/** Ranks that were started together read their data at their own speed. */
const prepareMs = 600_000;
/**
 * One rank speaks for all; another says what is wrong only if that one has not ended the job by then. Open MPI's mpirun that
 * has lost a host takes 2 s to ask the ranks on the others to end, and kills them 1 s later. Shorter than what a world leaves
 * for last words where MPI hangs.
 */
const deferMs = 5_000;

export class MpiJob {
  readonly world: World;
  /** The exit code of the signal that ended the run, at whichever rank it came; 0 if none did. */
  stopCode = 0;
  /** Whether this rank was asked to end. */
  wasAsked = false;
  /** Whether the ranks see each other's memory, once their team is there. */
  hasWindows = false;
  readonly #options: MpiJobOptions;
  /** True once all ranks know that they train the same, or that nothing is left to train. */
  #isMustered = false;
  /** True where all ranks but the first have nothing to do. */
  #isFinished = false;
  /** True once this rank leaves. */
  #isLeaving = false;
  /** The rank that speaks for all. */
  #speaker = 0;
  /** What all ranks found when they met, where they cannot begin. */
  #verdict: LockstepError | null = null;

  /** Of ranks that have come together; see `open`. */
  constructor(world: World, options: MpiJobOptions) {
    this.world = world;
    this.#options = options;
  }

  /** @throws LockstepError (MPI, USAGE) where there is no MPI, or ranks do not come */
  static async open(options: MpiJobOptions): Promise<MpiJob> {
    const { file, launch, startMs } = options;
    return new MpiJob(await openWorld({ file, launch, deadlineMs: startMs }), options);
  }

  get ranks(): RankOf {
    return { rank: this.world.rank, count: this.world.size };
  }

  get isFirst(): boolean {
    return this.world.rank === 0;
  }

  get exchangeMs(): number {
    return this.#options.exchangeMs;
  }

  /**
   * Gives all ranks what rank 0 goes on from. Rank 0 finds it by `open`; where that fails, it fails on all ranks.
   * @throws LockstepError of `open`, or (MPI) where ranks are of different versions, in one line that all have alike
   */
  async shareStart(open: () => Promise<SharedStart | null>): Promise<SharedStart | null> {
    const found = this.isFirst ? await attempt(open) : null;
    const own = found === null ? [] : encodeStart(found);
    const { behind, refusal, known } = await greet(this.world, own, prepareMs);
    if (refusal !== null) {
      // A rank that knows no greeting says nothing of it, and does not come to the end either.
      if (known.every(Boolean)) this.#verdict = refusal;
      else this.#speaker = known.indexOf(true);
      throw refusal;
    }
    if (found?.error !== undefined) throw found.error;
    const start = found === null ? decodeStart(behind[0]) : found.value;
    this.#isFinished = start?.isFinished ?? false;
    return start;
  }

  /**
   * Makes sure that all ranks train the same run, each with what it has made ready.
   * @throws LockstepError in one line that all ranks have alike
   */
  async muster(run: Run, threads: number): Promise<RankFacts[]> {
    const attendees = await this.#meet({
      threads,
      kernels: run.kernels.set,
      answer: knownAnswerOf(run.kernels),
      recipe: canonicalJson(run.recipe),
      same: { 'the step to begin with': String(run.committed), 'the chain': run.chain },
      error: null,
    });
    this.#isMustered = true;
    return attendees.map(({ host, threads, kernels }) => ({ host, threads, kernels }));
  }

  /** Opens the windows of the ranks for a run that all have made ready; returns false where MPI is to send. */
  async openWindows({ memory, plan }: Pick<Run, 'memory' | 'plan'>): Promise<boolean> {
    const { windows, exchangeMs } = this.#options;
    this.hasWindows = await openWindows(this.world, memory, rankPlaceOf(plan), windows, exchangeMs);
    return this.hasWindows;
  }

  /** Cores of this machine for this rank's threads. */
  coresFor(facts: readonly RankFacts[]): number {
    const { host, threads } = facts[this.world.rank];
    const here = facts.filter((rank) => rank.host === host).reduce((sum, rank) => sum + rank.threads, 0);
    return coresOfRank(threads, here, cpus().length);
  }

  /**
   * Leaves the job in good order, once all ranks do.
   * @throws LockstepError (MPI) where others do not come to the end in time
   */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.world.finalize();
  }

  /**
   * Ends the job after an error of this rank, which is said once: by one of them if all ranks know of it, otherwise by whom it
   * concerns, and then all others are ended, in which case it does not return.
   */
  async fail(error: unknown, say: (error: Error) => void): Promise<void> {
    const isKnown = error instanceof LockstepError;
    const isAlone = this.#verdict === null && !this.#isMustered && !this.#isFinished;
    // Others are on their way to the muster, or there; but not where the way to them is what failed.
    if (isKnown && isAlone && error.code !== 'MPI') {
      const { code, message } = error;
      const nothing = { threads: 0, kernels: '', answer: null, recipe: null, same: {} };
      await this.#meet({ ...nothing, error: { code, message } }).catch(() => {});
    }
    if (this.#verdict !== null || isEverybodys(error) || this.#isFinished) {
      const said = this.#verdict ?? error;
      if (this.world.rank === this.#speaker) say(said instanceof Error ? said : new Error(String(said)));
      await this.world.finalize().catch(() => {}); // there is nothing more to lose
      return;
    }
    const isSpeaker = this.world.rank === this.#speaker;
    // Who was asked, and is then alone, is being ended by the launcher: another rank has said why.
    if (!isSpeaker || this.wasAsked) await setTimeout(deferMs);
    say(isSpeaker && error instanceof Error ? error : new Error(this.#named(reasonOf(error))));
    const exitCode = isKnown ? error.exitCode : 1;
    // MPICH cannot end all from within its end, and hangs; mpirun ends all when a rank ends with an error.
    if (this.#isLeaving) process.exit(exitCode);
    this.world.abort(exitCode);
  }

  /** A line of this rank, which may name it already. */
  #named(line: string): string {
    const who = `rank ${this.world.rank} (${hostname()})`;
    return line.startsWith(who) ? line : `${who}: ${line}`;
  }

  async #meet(own: Parameters<typeof attend>[0]): Promise<readonly Attendee[]> {
    const { attendees, refusal } = await muster(this.world, attend(own), prepareMs);
    this.#verdict = refusal;
    if (refusal !== null) throw refusal;
    return attendees;
  }
}

/** What every rank meets at the same step with the same words. */
function isEverybodys(error: unknown): boolean {
  return error instanceof LockstepError && error.code === 'DIVERGED';
}

async function attempt(open: () => Promise<SharedStart | null>): Promise<Attempt> {
  try {
    return { value: await open() };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { value: null, error };
  }
}
