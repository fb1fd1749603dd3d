/**
 * The workers of a run, as the coordinator's team: it trains steps and evaluates with whoever is there, and keeps the
 * replica that all of them have. Who is there is the roster's business; what a step is made of, the step's.
 */
import { randomInt } from 'node:crypto';
import { sha256 } from '../shared/digest.ts';
import { LockstepError } from '../shared/errors.ts';
import { newScratch } from '../shared/kernels/scratch.ts';
import { datasetPieces } from '../shared/load-data.ts';
import { evaluationShard, lossSlotBytes } from '../shared/model/memory-plan.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { checksumSteps } from '../shared/replica.ts';
import { largestPayloadBytes } from '../shared/setup.ts';
import type { StepsOutcome, WorkAccount } from '../shared/training.ts';
import type { Frame } from '../shared/wire/frame.ts';
import type { ArrivingLink, Clock } from '../shared/wire/link.ts';
import type { Team } from './coordinator.ts';
import { DistributedEvaluation } from './distributed-evaluation.ts';
import { DistributedStep } from './distributed-step.ts';
import type { FleetPhase, FleetProfile } from './fleet-profile.ts';
import type { StepResults } from './ledger.ts';
import type { Member, Welcoming } from './member.ts';
import { type Batch, Merger, mergerBytes } from './merger.ts';
import { Planner } from './planner.ts';
import type { Run } from './prepare.ts';
import { Reduction } from './reduction.ts';
import { CoordinatorReplica } from './replica.ts';
import { RetiredTotals } from './retired-totals.ts';
import { Roster, type RosterEvent } from './roster.ts';
import { travelled } from './travelled.ts';

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

/** Finished steps that a late worker still owes something of are kept for comparison, at most so many. */
const mostOverdueSteps = 2;

export class Fleet implements Team {
  /** Shards that were given to another worker because one died or was late. */
  shardsRecomputed = 0;
  readonly #options: FleetOptions;
  readonly #run: Run;
  readonly #roster: Roster;
  readonly #planner: Planner;
  readonly #replica: CoordinatorReplica;
  /** What travels in each exchange of a step, and what merges it. */
  readonly #layouts: readonly PartialLayout[];
  readonly #mergers: readonly Merger[];
  readonly #retired: RetiredTotals;
  /** Tells the frames of this run from those of another. */
  readonly #runNumber = randomInt(2 ** 32 - 1);
  /** Bytes of the largest payload of a frame. */
  readonly #payloadBytes: number;
  readonly #results: StepResults;
  #job: Job | null = null;
  #step: DistributedStep | null = null;
  #evaluation: DistributedEvaluation | null = null;
  #overdue: DistributedStep[] = [];
  /** Steps committed when the epoch began. */
  #epochBase = 0;
  #stepStartMs = 0;
  /** The last step before which replicas are compared, and the digest that they must have. */
  #checksum: { readonly step: number; readonly sha256: string } | null = null;
  #isStarted = false;
  #isStopping = false;
  #isClosed = false;
  #cancelDeadline: () => void = () => {};
  #cancelWait: (() => void) | null = null;
  #cancelRoom: (() => void) | null = null;

  constructor(options: FleetOptions) {
    const { run, clock } = options;
    this.#options = options;
    this.#run = run;
    this.#roster = new Roster(clock, {
      welcome: () => this.#welcome(),
      data: () => datasetPieces(run.plan, run.memory),
      sync: (member) => this.#sync(member),
      ready: () => this.#resume(),
      lost: (member) => this.#lose(member),
      partial: (member, frame) => this.#partial(member, frame),
      evaluation: (member, frame) => this.#evaluated(member, frame),
      checksum: (member, step, digest) => this.#compare(member, step, digest),
      onEvent: (event, { name, link }) => {
        const { committed: step, workers } = this;
        options.onEvent?.({ ...event, name, address: link.address, step, workers });
      },
    });
    this.#planner = new Planner(clock, this.#roster);
    this.#replica = new CoordinatorReplica(run);
    this.#layouts = this.#replica.layouts;
    this.#payloadBytes = largestPayloadBytes(run.setup);
    const scratch = newScratch(run.kernels, mergerBytes);
    this.#mergers = this.#layouts.map((layout) => new Merger(layout, scratch));
    this.#retired = new RetiredTotals(this.#mergers);
    const { memory, plan } = run;
    this.#results = {
      losses: new Float32Array(memory.buffer, plan.stepLosses, plan.stepCount),
      seconds: new Float64Array(memory.buffer, plan.stepSeconds, plan.stepCount),
      checksums: new BigUint64Array(memory.buffer, plan.stepChecksums, plan.stepCount),
    };
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

  get framesDropped(): number {
    return this.#roster.framesDropped;
  }

  /** Workers that take part. */
  get workers(): number {
    return this.#roster.ready.length;
  }

  results() {
    return this.#results;
  }

  account(): WorkAccount[] {
    const gradientBytes = 4 * this.#layouts[this.#layouts.length - 1].floats;
    return this.#roster.accounts().map(({ traffic, steps, gradients, ...work }) => ({
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

  /** Sends all workers home; what the run is still waiting for fails. */
  close(reason: string): void {
    this.#fail('WORKERS', `the workers were sent home: ${reason}`);
    this.#isClosed = true;
    this.#cancelDeadline();
    this.#stopWaiting();
    this.#stopWaitingForRoom();
    this.#roster.close(reason);
  }

  // who is there

  /** A worker is at the door; the link is to tell the member what comes. */
  arrive(link: ArrivingLink): Member {
    return this.#roster.arrive(link);
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
    this.#step?.followUp((exchange, total) => this.#sendTotal(member, exchange, total));
  }

  /** Somebody is there again. */
  #resume(): void {
    this.#step?.adoptOrphans();
    this.#evaluation?.adoptOrphans();
    this.#goOn();
  }

  /** Others take over what a member had. */
  #lose(member: Member): void {
    this.#step?.lose(member);
    this.#evaluation?.lose(member);
    this.#goOn();
  }

  #late(member: Member, what: string): void {
    if (this.#step !== null && !this.#overdue.includes(this.#step)) {
      this.#overdue = [...this.#overdue, this.#step].slice(-mostOverdueSteps);
    }
    const { stepTimeoutMs } = this.#options;
    this.#roster.late(member, `it has owed ${what} for ${stepTimeoutMs} ms; others compute it`);
  }

  /** Replicas are the same on every machine, or somebody computes wrongly. */
  #compare(member: Member, step: number, digest: string): void {
    const expected = [member.sent, this.#checksum].find((known) => known?.step === step);
    if (expected === undefined || expected === null || expected.sha256 === digest) return;
    this.#roster.outOfStep(member, `its replica before step ${step + 1} is not that of all others`);
  }

  // what is done

  /** Begins whatever can begin now. */
  #goOn(): void {
    const job = this.#job;
    if (job === null || this.#isClosed) return;
    if (this.#isStopping && this.#isStarted && this.workers === 0) {
      // Nobody is left to finish what has begun, and what is committed is enough.
      this.#step = null;
      this.#evaluation = null;
      this.#cancelDeadline();
    }
    if (this.#step !== null || this.#evaluation !== null) {
      // What has begun goes on with whoever is left.
      this.#watchWorkers(1);
      return;
    }
    const isDone = job.kind === 'train' && this.step >= job.end;
    if (job.kind === 'train' && (isDone || this.#isStopping)) {
      this.#job = null;
      this.#stopWaiting();
      job.resolve({ kind: isDone ? 'done' : 'stopped', step: this.step });
      return;
    }
    if (job.kind === 'evaluate' && this.#isStopping && this.workers === 0) {
      // The run is to end, and nobody is there any more who could.
      this.#replica.evaluate();
      this.#endJob();
      job.resolve();
      return;
    }
    if (!this.#watchWorkers(this.#workersNeeded()) || this.#isClogged()) return;
    this.#isStarted = true;
    if (job.kind === 'train') this.#beginStep();
    else if (job.kind === 'evaluate') this.#beginEvaluation(job.resolve);
    else {
      this.#endJob();
      job.resolve();
    }
  }

  /** To begin with, to go on, and for the last evaluation of a run that is stopped. */
  #workersNeeded(): number {
    const { workers, minWorkers } = this.#options;
    if (!this.#isStarted) return workers;
    return this.#isStopping ? 1 : minWorkers;
  }

  /** Returns whether there are workers enough; when there are too few for too long, the job fails. */
  #watchWorkers(needed: number): boolean {
    const { workers } = this;
    if (workers >= needed) {
      if (this.#cancelWait !== null) {
        this.#options.onEvent?.({ kind: 'enough', workers, step: this.committed });
      }
      this.#stopWaiting();
      return true;
    }
    if (this.#isStopping) {
      this.#fail('INTERRUPTED', 'interrupted while it waited for workers');
      return false;
    }
    if (this.#cancelWait !== null) return false;
    this.#options.onEvent?.({ kind: 'waiting', workers, needed });
    const { clock, workerTimeoutMs } = this.#options;
    this.#cancelWait = clock.after(workerTimeoutMs, () =>
      this.#fail(
        'WORKERS',
        `waited ${workerTimeoutMs / 1000} s for workers: ${this.workers} of ${needed} are there; ` +
          'start more of them, or wait longer with --worker-timeout',
      ),
    );
    return false;
  }

  #stopWaiting(): void {
    this.#cancelWait?.();
    this.#cancelWait = null;
  }

  /**
   * Returns true while more waits to be sent to somebody than a replica and a total. It goes on when that has left, and at
   * the deadline without those who still do not take it.
   */
  #isClogged(): boolean {
    const mostBytes = this.#replica.bytes + this.#payloadBytes;
    const clogged = this.#roster.following.filter(({ link }) => link.bufferedBytes > mostBytes);
    if (clogged.length === 0) {
      this.#stopWaitingForRoom();
      return false;
    }
    for (const { link } of clogged) link.whenBelow(mostBytes, () => this.#goOn());
    // Set once, however often somebody comes or goes meanwhile.
    const { clock, stepTimeoutMs } = this.#options;
    this.#cancelRoom ??= clock.after(stepTimeoutMs, () => {
      this.#cancelRoom = null;
      for (const member of clogged.filter(({ link }) => link.bufferedBytes > mostBytes)) {
        member.drop(`its connection took too little for ${stepTimeoutMs} ms`);
      }
      this.#goOn();
    });
    return true;
  }

  #stopWaitingForRoom(): void {
    this.#cancelRoom?.();
    this.#cancelRoom = null;
  }

  #beginStep(): void {
    const { batchSize, shardSize, epochSamples } = this.#run.setup.sizes;
    const rows = Math.min(batchSize, epochSamples - this.step * batchSize);
    const batch = { rows, shardSize };
    this.#stepStartMs = this.#options.clock.nowMs();
    const step: DistributedStep = new DistributedStep(this.committed, this.#layouts, {
      generation: () => this.#roster.generation,
      ready: () => this.#planner.ready(),
      newReduction: (exchange) => this.#newReduction(exchange, batch),
      isGood: (exchange, total, isKnownFinite) => this.#isGood(exchange, total, isKnownFinite),
      broadcast: (exchange, total) => this.#broadcast(exchange, total),
      finished: () => this.#commit(step),
      conflict: (member, what) => {
        this.#options.onEvent?.({ kind: 'conflict', name: member.name, reason: what });
      },
      ...this.#judgements(),
    });
    this.#step = step;
    for (const { member, nodes } of this.#planner.plan(Math.ceil(rows / shardSize))) step.give(member, nodes);
    this.#setDeadline(() => step.expire());
  }

  /** What to do with those who do not what they should. */
  #judgements() {
    return {
      late: (member: Member, what: string) => this.#late(member, what),
      violated: (member: Member, what: string) => this.#roster.throwOut(member, `it sent ${what}`),
      dropped: () => this.#drop(),
    };
  }

  #newReduction(exchange: number, batch: Batch): Reduction {
    if (this.#step !== null) this.#setDeadline(() => this.#step?.expire());
    const merger = this.#mergers[exchange];
    return new Reduction(Math.ceil(batch.rows / batch.shardSize), (left, right, node) =>
      this.#timed('merging', () => merger.merge(left, right, node, batch)),
    );
  }

  #partial(member: Member, frame: Frame): void {
    const step = [this.#step, ...this.#overdue].find((one) => one?.number === frame.step);
    if (step) step.partial(member, frame);
    else this.#drop();
    if (member.state === 'late') this.#roster.resync(member, 'it was late');
  }

  #drop(): void {
    this.#roster.framesDropped += 1;
  }

  #broadcast(exchange: number, total: Float32Array): void {
    // A late member's connection may still hold totals of the time before.
    if (this.#roster.members.every(({ link }) => link.bufferedBytes === 0)) this.#retired.recycle();
    this.#timed('sending', () => {
      for (const member of this.#roster.following) this.#sendTotal(member, exchange, total);
    });
  }

  #sendTotal(member: Member, exchange: number, total: Float32Array): void {
    if (exchange === this.#layouts.length - 1) this.#roster.accountOf(member).steps += 1;
    const { buffer, byteOffset, byteLength } = total;
    const place = { exchange, lo: 0, hi: 0, panel: 0, microseconds: 0 };
    member.link.sendFrame(
      { type: 'total', run: this.#runNumber, step: this.committed, ...place },
      new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  /** Whether a total is finite. If not, the step is to blame, which ends the run, or a worker, which is thrown out. */
  #isGood(exchange: number, total: Float32Array, isKnownFinite: boolean | null): boolean {
    const isLast = exchange === this.#layouts.length - 1;
    const check = () => {
      if (isLast) this.#replica.takeGradient(total);
      return isKnownFinite ?? (isLast ? this.#replica.gradientIsFinite() : total.every(Number.isFinite));
    };
    if (this.#timed('update', check)) return true;
    const where = this.#replica.diagnose(this.step);
    if (where !== null) {
      this.#diverge(where);
      return false;
    }
    const isRejected = this.#step?.rejectNonFinite((sender) =>
      this.#roster.throwOut(sender, 'it computed NaN or infinity where the step has none'),
    );
    if (isRejected !== true) this.#fail('WORKERS', 'workers computed numbers that are not those of the step');
    return false;
  }

  #commit(step: DistributedStep): void {
    const { step: stepOfEpoch } = this;
    const loss = this.#timed('update', () => this.#replica.apply(stepOfEpoch));
    if (loss === null) {
      this.#diverge(this.#replica.diagnose(stepOfEpoch) ?? 'the update');
      return;
    }
    this.#step = null;
    this.#cancelDeadline();
    this.#results.losses[stepOfEpoch] = loss;
    this.#results.checksums[stepOfEpoch] = this.#replica.updateChecksum;
    this.#results.seconds[stepOfEpoch] = (this.#options.clock.nowMs() - this.#stepStartMs) / 1000;
    this.shardsRecomputed += step.shardsRecomputed;
    for (const [member, share] of step.shares) {
      const { shards, seconds } = share;
      this.#roster.credit(member, share);
      this.#planner.observe(member, step.number, shards, seconds);
    }
    this.#overdue = this.#overdue.filter(({ shares }) =>
      [...shares.keys()].some(({ state }) => state === 'late'),
    );
    if (!this.#overdue.includes(step)) this.#retired.add(step.mergedValues());
    if (this.committed % checksumSteps === 0) {
      this.#checksum = { step: this.committed, sha256: this.#replica.checksum() };
    }
    this.#goOn();
  }

  #beginEvaluation(resolve: () => void): void {
    const { memory, plan } = this.#run;
    const losses = new Float32Array(memory.buffer, plan.evaluationLosses);
    const predictions = new Uint8Array(memory.buffer, plan.predictions, plan.test.samples);
    const shardLosses = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => losses[((from + i) * lossSlotBytes) / 4]);
    const evaluation = new DistributedEvaluation(this.committed, plan.test.samples, {
      ready: () => this.#planner.ready(),
      isTrue: ({ from, to }) => {
        this.#replica.evaluate({ from, to });
        return !shardLosses(from, to).every(Number.isFinite);
      },
      keep: ({ from }, own, labels) => {
        for (const [i, loss] of own.entries()) losses[((from + i) * lossSlotBytes) / 4] = loss;
        predictions.set(labels, from * evaluationShard);
      },
      finished: () => {
        this.#endJob();
        resolve();
      },
      ...this.#judgements(),
    });
    this.#evaluation = evaluation;
    evaluation.adoptOrphans();
    this.#setDeadline(() => evaluation.expire());
  }

  #evaluated(member: Member, frame: Frame): void {
    if (frame.step === this.#evaluation?.number) this.#evaluation.evaluation(member, frame);
    else this.#drop();
    if (member.state === 'late') this.#roster.resync(member, 'it was late');
  }

  /** The step is not committed, and the run is told where NaN or infinity was. */
  #diverge(where: string): void {
    const job = this.#job;
    this.#endJob();
    if (job?.kind === 'train') job.resolve({ kind: 'nonFinite', step: this.step, where });
  }

  #fail(code: 'WORKERS' | 'INTERRUPTED', message: string): void {
    const job = this.#job;
    this.#endJob();
    job?.reject(new LockstepError(code, message));
  }

  #endJob(): void {
    this.#job = null;
    this.#step = null;
    this.#evaluation = null;
    this.#cancelDeadline();
    this.#stopWaiting();
  }

  #timed<Result>(phase: FleetPhase, work: () => Result): Result {
    const { profile } = this.#options;
    return profile === undefined ? work() : profile.time(phase, work);
  }

  /** Calls `expire` whenever the deadline passes, until another is set. */
  #setDeadline(expire: () => void): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.after(this.#options.stepTimeoutMs, () => {
      this.#setDeadline(expire);
      expire();
    });
  }
}
