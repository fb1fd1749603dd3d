/**
 * The workers of a run, as the coordinator's team: it trains steps and evaluates with whoever is there. Who is there is
 * the roster's business, what is computed that of the step runner and the evaluation runner; here is what the run has
 * asked for, and what can begin when.
 */
import { randomInt } from 'node:crypto';
import { sha256 } from '../shared/digest.ts';
import { LockstepError } from '../shared/errors.ts';
import { datasetPieces } from '../shared/load-data.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import { largestPayloadBytes } from '../shared/setup.ts';
import type { StepListener, WatchRate } from '../shared/step-listeners.ts';
import type { StepsOutcome, WorkAccount } from '../shared/training.ts';
import type { ArrivingLink, Clock } from '../shared/wire/link.ts';
import { Congestion } from './congestion.ts';
import { EnoughWorkers } from './enough-workers.ts';
import { EvaluationRunner } from './evaluation-runner.ts';
import type { FleetProfile } from './fleet-profile.ts';
import { FleetWatch } from './fleet-watch.ts';
import { Judge } from './judge.ts';
import type { WorkerNow } from './live-run.ts';
import type { Member, Welcoming } from './member.ts';
import { Planner } from './planner.ts';
import type { Run } from './prepare.ts';
import { Proofs } from './proofs.ts';
import { CoordinatorReplica } from './replica.ts';
import { Roster, type RosterEvent } from './roster.ts';
import { SlowJoiners } from './slow-joiners.ts';
import { StepRunner } from './step-runner.ts';
import type { Team } from './team.ts';
import { travelled } from './travelled.ts';
import { workersNow } from './workers-now.ts';

export interface FleetOptions {
  /** Planned for one thread; its memory holds the data and the first replica. */
  readonly run: Run;
  readonly clock: Clock;
  /** The first step waits for so many workers, every other for `minWorkers`. */
  readonly workers: number;
  readonly minWorkers: number;
  /** With fewer workers than that for so long, the run ends. */
  readonly workerTimeoutMs: number;
  /** Who owes something for so long while others wait for it is late. */
  readonly stepTimeoutMs: number;
  readonly onEvent?: (event: FleetEvent) => void;
  /** Takes where the time of steps goes, if that is asked for. */
  readonly profile?: FleetProfile;
}

/** What happens to the workers, for whoever shows or logs it. */
export type FleetEvent =
  | (RosterEvent & {
      readonly name: string;
      readonly address: string;
      /** Steps committed when it happened. */
      readonly step: number;
      /** Workers that take part now. */
      readonly workers: number;
    })
  | { readonly kind: 'waiting'; readonly workers: number; readonly needed: number }
  /** The wait is over. */
  | { readonly kind: 'enough'; readonly workers: number; readonly step: number }
  /** Two workers computed different bits for one node of the tree: one of their machines is broken. */
  | { readonly kind: 'conflict'; readonly name: string; readonly reason: string };

/** What the run has asked for. */
type Job = { readonly reject: (error: unknown) => void } & (
  | { readonly kind: 'train'; readonly end: number; readonly resolve: (outcome: StepsOutcome) => void }
  | { readonly kind: 'gather' | 'evaluate'; readonly resolve: () => void }
);

export class Fleet implements Team {
  readonly #options: FleetOptions;
  readonly #run: Run;
  readonly #roster: Roster;
  readonly #judge: Judge;
  readonly #replica: CoordinatorReplica;
  readonly #proofs: Proofs;
  readonly #steps: StepRunner;
  readonly #evaluations: EvaluationRunner;
  readonly #enoughWorkers: EnoughWorkers;
  readonly #congestion: Congestion;
  readonly #planner: Planner;
  readonly #slowJoiners: SlowJoiners;
  readonly #watch: FleetWatch;
  /** Tells the frames of this run from those of another. */
  readonly #runNumber = randomInt(2 ** 32 - 1);
  /** Bytes of the largest payload of a frame. */
  readonly #payloadBytes: number;
  #job: Job | null = null;
  /** Steps committed when the epoch began. */
  #epochBase = 0;
  #isStarted = false;
  #isStopping = false;
  #isClosed = false;
  /** Why the last step cannot be trusted. */
  #doubt: string | null = null;

  constructor(options: FleetOptions) {
    const { run, clock, stepTimeoutMs, profile } = options;
    this.#options = options;
    this.#run = run;
    this.#payloadBytes = largestPayloadBytes(run.setup);
    this.#roster = this.#newRoster();
    this.#judge = new Judge(this.#roster, stepTimeoutMs, (name, reason) =>
      options.onEvent?.({ kind: 'conflict', name, reason }),
    );
    this.#planner = new Planner(clock, this.#roster);
    const replica = new CoordinatorReplica(run);
    const computing = { run, clock, stepTimeoutMs, planner: this.#planner, replica, judge: this.#judge };
    this.#replica = replica;
    this.#proofs = new Proofs(replica, this.#roster, (reason) => {
      this.#doubt ??= reason;
    });
    this.#watch = new FleetWatch({
      clock,
      ready: () => this.#roster.ready,
      committed: () => this.committed,
    });
    const mostBytes = replica.bytes + this.#payloadBytes;
    this.#slowJoiners = new SlowJoiners({
      clock,
      mostBytes,
      fellBehind: (member, reason) => this.#roster.fellBehind(member, reason),
      resync: (member, reason) => this.#roster.resync(member, reason),
    });
    this.#steps = new StepRunner({
      ...computing,
      proofs: this.#proofs,
      runNumber: this.#runNumber,
      roster: this.#roster,
      slowJoiners: this.#slowJoiners,
      profile,
      timelines: this.#watch.own,
      committed: () => {
        this.#watch.committed();
        this.#goOn();
      },
      diverged: (where) => this.#diverge(where),
      failed: (reason) => this.#fail('WORKERS', reason),
    });
    this.#evaluations = new EvaluationRunner({ ...computing, finished: () => this.#succeed() });
    this.#enoughWorkers = new EnoughWorkers({
      clock,
      timeoutMs: options.workerTimeoutMs,
      waiting: (workers, needed) => options.onEvent?.({ kind: 'waiting', workers, needed }),
      enough: (workers) => options.onEvent?.({ kind: 'enough', workers, step: this.committed }),
      failed: (reason) => this.#fail('WORKERS', reason),
    });
    this.#congestion = new Congestion({
      clock,
      mostBytes,
      timeoutMs: stepTimeoutMs,
      ready: () => this.#roster.ready,
      goOn: () => this.#goOn(),
    });
  }

  // what the run asks of its team

  get committed(): number {
    return this.#replica.committed;
  }

  get step(): number {
    return this.committed - this.#epochBase;
  }

  get replica() {
    return this.#run.plan.replicas[this.committed % 2];
  }

  get deaths(): number {
    return this.#roster.deaths;
  }

  get joins(): number {
    return this.#roster.joins;
  }

  /** Shards that were given to another worker because one died or was late. */
  get shardsRecomputed(): number {
    return this.#steps.shardsRecomputed;
  }

  get framesDropped(): number {
    return this.#roster.framesDropped;
  }

  /** Workers that take part. */
  get workers(): number {
    return this.#roster.ready.length;
  }

  get isWaiting(): boolean {
    return this.#enoughWorkers.isWaiting;
  }

  /** Everybody who is there, and whoever is gone. */
  workersNow(): WorkerNow[] {
    const { batchSize, shardSize } = this.#run.setup.sizes;
    return workersNow(this.#roster, this.#planner.planned(Math.ceil(batchSize / shardSize)));
  }

  /** Has workers time a step now and then, and tells of it, until what is returned is called. */
  watchSteps(listener: StepListener, rate?: WatchRate): () => void {
    return this.#watch.add(listener, rate);
  }

  watchRate(wanted: WatchRate): WatchRate {
    return this.#watch.rate(wanted);
  }

  results() {
    return this.#steps.results;
  }

  account(): WorkAccount[] {
    const { gradientBytes } = this.#steps;
    return this.#roster.accounts().map(({ traffic, steps, gradients, kernels: _, ...work }) => ({
      ...work,
      ...(traffic !== null && travelled(traffic, { steps, gradients, gradientBytes })),
    }));
  }

  /**
   * Waits for workers enough to begin with.
   * @throws LockstepError (WORKERS) when there are too few for too long, (INTERRUPTED) when the run is stopped meanwhile
   */
  gather(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#job = { kind: 'gather', resolve, reject };
      this.#goOn();
    });
  }

  /** The replica here changes in no other turn of the event loop than that of a commit. */
  pause(): boolean {
    return true;
  }

  /** Ends the job after the step that is being computed; one that waits for workers, at once. */
  stop(): void {
    this.#isStopping = true;
    this.#goOn();
  }

  /**
   * Takes the steps `first … end−1` of the epoch.
   * @throws LockstepError (WORKERS) when there are too few workers for too long
   */
  trainSteps(first: number, end: number): Promise<StepsOutcome> {
    this.#epochBase = this.committed - first;
    return new Promise((resolve, reject) => {
      this.#job = { kind: 'train', end, resolve, reject };
      this.#goOn();
    });
  }

  /**
   * Evaluates the test set with the current replica; losses and predictions are in memory afterwards.
   * @throws LockstepError (WORKERS)
   */
  evaluate(split: 'train' | 'test'): Promise<void> {
    if (split !== 'test') throw new Error('workers evaluate the test set only');
    return new Promise((resolve, reject) => {
      this.#job = { kind: 'evaluate', resolve, reject };
      this.#goOn();
    });
  }

  /** Sends all workers home, from a run that `failed` or not; what the run is still waiting for fails. */
  close(reason: string, failed = false): void {
    this.#fail('WORKERS', `the workers were sent home: ${reason}`);
    this.#isClosed = true;
    this.#congestion.stop();
    this.#slowJoiners.stop();
    this.#roster.close(reason, failed);
  }

  // who is there

  /** A worker is at the door; the link is to tell the member what comes. */
  arrive(link: ArrivingLink): Member {
    return this.#roster.arrive(link);
  }

  #newRoster(): Roster {
    const { run, clock, onEvent } = this.#options;
    return new Roster(clock, {
      welcome: () => this.#welcome(),
      data: () => datasetPieces(run.plan, run.memory),
      sync: (member) => this.#sync(member),
      ready: (member) => {
        this.#slowJoiners.forget(member);
        this.#watch.ready(member);
        this.#resume();
      },
      lost: (member) => this.#lose(member),
      forgotten: (workerId) => this.#planner.forget(workerId),
      partial: (member, frame) => {
        if (this.#proofs.holds(member, frame)) this.#steps.partial(member, frame);
        this.#heard(member);
      },
      evaluation: (member, frame) => {
        if (this.#proofs.holds(member, frame)) this.#evaluations.take(member, frame);
        this.#heard(member);
      },
      checksum: (member, step, digest) => {
        const own = member.sent?.step === step ? member.sent.sha256 : null;
        this.#judge.compare(member, step, digest, own ?? this.#steps.digestBefore(step));
      },
      timeline: (member, message) => this.#watch.timeline(member, message),
      onEvent: (event, { name, link }) => {
        const { committed: step, workers } = this;
        onEvent?.({ ...event, name, address: link.address, step, workers });
      },
    });
  }

  /** A frame of a member was taken, or not. */
  #heard(member: Member): void {
    this.#judge.heard(member);
    if (this.#doubt !== null) this.#goOn();
  }

  #welcome(): Omit<Welcoming, 'name'> {
    const { recipe, setup } = this.#run;
    return {
      run: this.#runNumber,
      recipe: canonicalJson(recipe),
      samples: setup.sizes.samples,
      payloadBytes: this.#payloadBytes,
    };
  }

  /** Gives a worker the replica as it is now; from here on it gets every total. */
  #sync(member: Member): void {
    const replica = this.#replica.snapshot();
    member.sync(this.committed, replica, sha256(replica));
    this.#steps.followUp(member);
  }

  /** Somebody is there again. */
  #resume(): void {
    this.#steps.adoptOrphans();
    this.#evaluations.adoptOrphans();
    this.#goOn();
  }

  /** Others take over what a member had. */
  #lose(member: Member): void {
    this.#slowJoiners.forget(member);
    this.#watch.lost(member);
    this.#steps.lose(member);
    this.#evaluations.lose(member);
    this.#goOn();
  }

  // what is done

  /** Begins whatever can begin now. */
  #goOn(): void {
    const job = this.#job;
    if (job === null || this.#isClosed) return;
    if (this.#doubt !== null) {
      this.#fail('DOUBT', this.#doubt);
      return;
    }
    const isDeserted = this.#isStopping && this.workers === 0;
    // Nobody is left to finish what has begun, and what is committed is enough.
    if (isDeserted && this.#isStarted) this.#abandon();
    if (this.#steps.isBusy || this.#evaluations.isBusy) {
      // What has begun goes on with whoever is left.
      this.#areEnough(1);
      return;
    }
    const isDone = job.kind === 'train' && this.step >= job.end;
    if (job.kind === 'train' && (isDone || this.#isStopping)) {
      this.#endJob();
      job.resolve({ kind: isDone ? 'done' : 'stopped', step: this.step });
      return;
    }
    if (job.kind === 'evaluate' && isDeserted) {
      // The run is to end, and nobody is there any more who could.
      this.#replica.evaluate();
      this.#succeed();
      return;
    }
    if (!this.#areEnough(this.#workersNeeded()) || this.#congestion.isClogged()) return;
    this.#isStarted = true;
    if (job.kind === 'train') this.#steps.begin(this.step);
    else if (job.kind === 'evaluate') this.#evaluations.begin();
    else this.#succeed();
  }

  /** To begin with, to go on, and for the last evaluation of a run that is stopped. */
  #workersNeeded(): number {
    const { workers, minWorkers } = this.#options;
    if (!this.#isStarted) return workers;
    return this.#isStopping ? 1 : minWorkers;
  }

  /** Returns whether there are workers enough; when there are too few for too long, the job fails. */
  #areEnough(needed: number): boolean {
    if (this.#isStopping && this.workers < needed) {
      this.#fail('INTERRUPTED', 'interrupted while it waited for workers');
      return false;
    }
    return this.#enoughWorkers.check(this.workers, needed);
  }

  /** What was asked for is done. */
  #succeed(): void {
    const job = this.#job;
    this.#endJob();
    if (job?.kind === 'gather' || job?.kind === 'evaluate') job.resolve();
  }

  /** The step is not committed, and the run is told where NaN or infinity was. */
  #diverge(where: string): void {
    const job = this.#job;
    this.#endJob();
    if (job?.kind === 'train') job.resolve({ kind: 'nonFinite', step: this.step, where });
  }

  #fail(code: 'WORKERS' | 'INTERRUPTED' | 'DOUBT', message: string): void {
    const job = this.#job;
    this.#endJob();
    job?.reject(new LockstepError(code, message));
  }

  #endJob(): void {
    this.#job = null;
    this.#abandon();
    this.#enoughWorkers.stop();
  }

  #abandon(): void {
    this.#steps.abandon();
    this.#evaluations.abandon();
  }
}
