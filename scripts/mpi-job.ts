/** A job of MPI ranks that train one run together: how they find together, and how they end. */
import { cpus, hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { decodeCheckpoint, encodeCheckpoint } from '../coordinator/checkpoint.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { RunState } from '../coordinator/run-state.ts';
import { LockstepError, reasonOf } from '../shared/errors.ts';
import { knownAnswerOf } from '../shared/kernels/load.ts';
import { canonicalJson, type Recipe } from '../shared/recipe/recipe.ts';
import { architectureOf } from '../shared/recipe/stored.ts';
import type { RankOf } from '../shared/reduction/ranks.ts';
import type { Attendee } from '../worker/mpi/attendee.ts';
import { coresOfRank } from '../worker/mpi/join-ranks.ts';
import { attend, muster } from '../worker/mpi/muster.ts';
import type { RankFacts } from '../worker/mpi/rank-team.ts';
import { openWorld, type World } from '../worker/mpi/world.ts';
import type { Launch } from './launch.ts';

export interface MpiJobOptions {
  /** libmpi, null to look for it. */
  readonly file: string | null;
  readonly launch: Launch | null;
  /** For ranks to come to the job, and to every exchange. */
  readonly startMs: number;
  readonly exchangeMs: number;
}

/** What rank 0 goes on from, as every rank needs it. */
export interface SharedStart {
  readonly recipe: Recipe;
  readonly state: RunState | null;
  readonly data: string | null;
  readonly isFinished: boolean;
}

/** Ranks that were started together read their data at their own speed. */
const prepareMs = 600_000;
/** Rank 0 speaks for all; another rank says what is wrong only if rank 0 has not ended the job by then. */
const deferMs = 3_000;

export class MpiJob {
  readonly world: World;
  /** The exit code of the signal that ended the run, at whichever rank it came; 0 if none did. */
  stopCode = 0;
  readonly #options: MpiJobOptions;
  /** True once all ranks know that they train the same, or that nothing is left to train. */
  #isMustered = false;
  /** True where all ranks but the first have nothing to do. */
  #isFinished = false;
  /** What all ranks found at the muster, where they cannot begin. */
  #verdict: LockstepError | null = null;

  private constructor(world: World, options: MpiJobOptions) {
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
   * @throws LockstepError of `open`
   */
  async shareStart(open: () => Promise<SharedStart | null>): Promise<SharedStart | null> {
    const found = this.isFirst ? await attempt(open) : null;
    const [first] = await this.world.allGather(
      found === null ? new Uint8Array() : encodeStart(found),
      'what the run goes on from',
      prepareMs,
    );
    if (found?.error !== undefined) throw found.error;
    const start = found === null ? decodeStart(first) : found.value;
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

  /** Cores of this machine for this rank's threads. */
  coresFor(facts: readonly RankFacts[]): number {
    const { host, threads } = facts[this.world.rank];
    const here = facts.filter((rank) => rank.host === host).reduce((sum, rank) => sum + rank.threads, 0);
    return coresOfRank(threads, here, cpus().length);
  }

  /**
   * Ends the job after an error of this rank, which is said once: by rank 0 if all ranks know of it, otherwise by whom it
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
      if (this.isFirst) say(said instanceof Error ? said : new Error(String(said)));
      await this.world.finalize().catch(() => {}); // there is nothing more to lose
      return;
    }
    if (!this.isFirst) await setTimeout(deferMs);
    const who = `rank ${this.world.rank} (${hostname()})`;
    say(this.isFirst && error instanceof Error ? error : new Error(`${who}: ${reasonOf(error)}`));
    this.world.abort(isKnown ? error.exitCode : 1);
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

type Attempt = { readonly value: SharedStart | null; readonly error?: LockstepError };

async function attempt(open: () => Promise<SharedStart | null>): Promise<Attempt> {
  try {
    return { value: await open() };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { value: null, error };
  }
}

/** A length, JSON of that length, and a checkpoint. */
function encodeStart({ value, error }: Attempt): Uint8Array {
  const told = {
    recipe: value?.recipe ?? null,
    data: value?.data ?? null,
    isFinished: value?.isFinished ?? false,
    error: error === undefined ? null : { code: error.code, message: error.message },
  };
  const text = Buffer.from(JSON.stringify(told));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const checkpoint =
    value?.state == null
      ? []
      : encodeCheckpoint(architectureOf(value.recipe.model, 'model'), value.recipe, value.state);
  return Buffer.concat([length, text, ...checkpoint]);
}

function decodeStart(bytes: Uint8Array): SharedStart | null {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = 4 + all.readUInt32LE(0);
  const { recipe, data, isFinished, error } = JSON.parse(all.toString('utf8', 4, end));
  if (error !== null) throw new LockstepError(error.code, error.message);
  if (recipe === null) return null;
  const state = end === all.length ? null : decodeCheckpoint(all.subarray(end), 'of rank 0').state;
  return { recipe, state, data, isFinished };
}
