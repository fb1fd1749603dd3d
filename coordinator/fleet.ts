/**
 * The workers of a run, as the coordinator's team: it trains steps and evaluates with whoever is there, and says who did
 * what. Who is there is decided here; what a step is made of, in distributed-step.ts.
 */
import { randomInt } from 'node:crypto';
import { sha256 } from '../shared/digest.ts';
import { LockstepError } from '../shared/errors.ts';
import { newScratch } from '../shared/kernels/scratch.ts';
import { splitViews } from '../shared/load-data.ts';
import { lossSlotBytes } from '../shared/model/memory-plan.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { coveringNodes, type TreeNode } from '../shared/reduction/tree.ts';
import { checksumSteps } from '../shared/replica.ts';
import type { StepsOutcome, WorkAccount } from '../shared/training.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { chunkBytes } from '../shared/wire/limits.ts';
import type { ArrivingLink, Clock } from '../shared/wire/link.ts';
import type { Hello } from '../shared/wire/messages.ts';
import type { Team } from './coordinator.ts';
import { DistributedEvaluation } from './distributed-evaluation.ts';
import { DistributedStep } from './distributed-step.ts';
import { Member, type Refusal, type Welcoming } from './member.ts';
import { type Batch, Merger, mergerBytes } from './merger.ts';
import type { Run } from './prepare.ts';
import { Reduction } from './reduction.ts';
import { CoordinatorReplica } from './replica.ts';

export interface FleetOptions {
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
}

/** What happens to the workers, for whoever shows or logs it. */
export type FleetEvent =
  | {
      readonly kind: 'joined';
      readonly name: string;
      readonly address: string;
      readonly threads: number;
      readonly kernels: string;
      readonly step: number;
      readonly workers: number;
      readonly isBack: boolean;
    }
  | { readonly kind: 'refused'; readonly name: string; readonly address: string; readonly reason: string }
  | {
      readonly kind: 'left' | 'died' | 'late' | 'replaced' | 'thrown out' | 'out of step';
      readonly name: string;
      readonly address: string;
      readonly reason: string;
      readonly step: number;
      readonly workers: number;
    }
  | { readonly kind: 'waiting'; readonly workers: number; readonly needed: number }
  /** Two workers computed different bits for one node of the tree: one of their machines is broken. */
  | { readonly kind: 'conflict'; readonly name: string; readonly reason: string };

/** What a worker, by its id, did in the whole run, however often it came and went. */
interface Account {
  name: string;
  threads: number;
  shards: number;
  seconds: number;
  /** Shards per second of computing, smoothed; null before its first step. */
  speed: number | null;
}

/** A job of the run that is under way. */
type Job =
  | { readonly kind: 'train'; readonly end: number; readonly resolve: (outcome: StepsOutcome) => void }
  | { readonly kind: 'evaluate'; readonly resolve: () => void };

/** How much the newest step counts for the speed of a worker. */
const speedWeight = 0.1;
/** Finished steps that somebody still owes a partial of are kept for comparison, at most so many. */
const mostOverdueSteps = 2;

export class Fleet implements Team {
  deaths = 0;
  joins = 0;
  shardsRecomputed = 0;
  /** Frames that nobody wanted: late, twice, or of another run. */
  framesDropped = 0;
  /** Version of the membership; +1 at every join, leave or death. */
  generation = 0;
  readonly #options: FleetOptions;
  readonly #run: Run;
  readonly #replica: CoordinatorReplica;
  readonly #layouts: readonly PartialLayout[];
  readonly #mergers: readonly Merger[];
  readonly #runNumber = randomInt(2 ** 32 - 1);
  readonly #members = new Set<Member>();
  readonly #accounts = new Map<string, Account>();
  readonly #results: { losses: Float32Array; seconds: Float64Array };
  #job: (Job & { reject: (error: unknown) => void }) | null = null;
  #step: DistributedStep | null = null;
  #evaluation: DistributedEvaluation | null = null;
  #overdue: DistributedStep[] = [];
  /** Steps committed when the epoch began. */
  #epochBase = 0;
  #stepStartMs = 0;
  #isStarted = false;
  #isStopping = false;
  #isClosed = false;
  #cancelDeadline: () => void = () => {};
  #cancelWait: (() => void) | null = null;
  #checksum: { step: number; sha256: string } | null = null;

  /** @param options.run planned for one thread; its memory holds data and the first replica */
  constructor(options: FleetOptions) {
    this.#options = options;
    this.#run = options.run;
    this.#replica = new CoordinatorReplica(options.run);
    this.#layouts = this.#replica.layouts;
    const scratch = newScratch(options.run.kernels, mergerBytes);
    this.#mergers = this.#layouts.map((layout) => new Merger(layout, scratch));
    const { memory, plan } = options.run;
    this.#results = {
      losses: new Float32Array(memory.buffer, plan.stepLosses, plan.stepCount),
      seconds: new Float64Array(memory.buffer, plan.stepSeconds, plan.stepCount),
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

  results() {
    return this.#results;
  }

  stop(): void {
    this.#isStopping = true;
    // Without workers there is no step to end.
    if (this.#step === null && this.#job?.kind === 'train') this.#endTraining('stopped');
  }

  /** What each worker did in the whole run, in the order in which they came. */
  account(): WorkAccount[] {
    return [...this.#accounts.values()].map(({ name, threads, shards, seconds }) => ({
      name,
      threads,
      shards,
      seconds,
    }));
  }

  /** Workers that take part. */
  get workers(): number {
    return this.#ready().length;
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

  /** Evaluates the test set with the current replica; losses and predictions are in memory afterwards. */
  evaluate(split: 'train' | 'test'): Promise<void> {
    if (split !== 'test') throw new Error('workers evaluate the test set only');
    return new Promise((resolve, reject) => {
      this.#job = { kind: 'evaluate', resolve, reject };
      this.#goOn();
    });
  }

  /** Sends all workers home. */
  close(reason: string): void {
    this.#isClosed = true;
    this.#cancelDeadline();
    this.#stopWaiting();
    for (const member of [...this.#members]) member.dismiss(reason);
  }

  // who is there

  /** A worker is at the door; what it sends is to be told to the member. */
  arrive(link: ArrivingLink): Member {
    return new Member(link, this.#options.clock, () => this.#dataPieces(), {
      hello: (member, hello) => this.#greet(member, hello),
      join: (member) => this.#sync(member),
      ready: (member, step) => {
        if (step === member.sent?.step) this.#admit(member);
      },
      partial: (member, frame) => this.#partial(member, frame),
      evaluation: (member, frame) => this.#evaluated(member, frame),
      checksum: (member, step, digest) => this.#compare(member, step, digest),
      gone: (member, reason, isLeaving) => this.#gone(member, reason, isLeaving),
      dropped: () => {
        this.framesDropped += 1;
      },
    });
  }

  #greet(member: Member, hello: Hello): Welcoming | Refusal {
    if (this.#isClosed) return { refusal: 'the run is over', retry: false };
    for (const other of [...this.#members]) {
      // The same worker over a new connection: whatever still comes over the old one does not count.
      if (other.hello?.workerId !== hello.workerId) continue;
      this.#tell('replaced', other, 'it came back over another connection');
      other.drop('replaced by a new connection of the same worker');
    }
    this.#members.add(member);
    const account = this.#accounts.get(hello.workerId) ?? {
      name: this.#uniqueName(hello.name),
      threads: hello.threads,
      shards: 0,
      seconds: 0,
      speed: null,
    };
    account.threads = hello.threads;
    this.#accounts.set(hello.workerId, account);
    const { recipe, setup } = this.#run;
    return {
      name: account.name,
      run: this.#runNumber,
      recipe: canonicalJson(recipe),
      samples: setup.sizes.samples,
      payloadBytes: this.#payloadBytes(),
    };
  }

  #uniqueName(name: string): string {
    const taken = new Set([...this.#accounts.values()].map((account) => account.name));
    let unique = name;
    for (let i = 2; taken.has(unique); i++) unique = `${name}-${i}`;
    return unique;
  }

  /** Bytes of the largest payload that a recipe implies. */
  #payloadBytes(): number {
    const largest = Math.max(...this.#layouts.map(({ floats }) => 4 * floats));
    return Math.max(largest, chunkBytes, this.#run.plan.test.samples * 2);
  }

  /** Gives a worker the replica as it is now; from here on it gets every total. */
  #sync(member: Member): void {
    const step = this.committed;
    const replica = this.#replica.snapshot();
    member.sync(step, replica, sha256(replica));
    this.#step?.followUp((exchange, total) => this.#sendTotal(member, exchange, total));
  }

  #admit(member: Member): void {
    const account = this.#accountOf(member);
    const isBack = account.shards > 0;
    member.state = 'ready';
    this.generation += 1;
    if (member.hasJoined) {
      this.#resume();
      return;
    }
    member.hasJoined = true;
    this.joins += 1;
    this.#options.onEvent?.({
      kind: 'joined',
      name: member.name,
      address: member.link.address,
      threads: account.threads,
      kernels: member.hello?.kernels ?? '',
      step: this.committed,
      workers: this.workers,
      isBack,
    });
    this.#resume();
  }

  /** Somebody is there again. */
  #resume(): void {
    this.#step?.adoptOrphans();
    this.#evaluation?.adoptOrphans();
    this.#goOn();
  }

  #gone(member: Member, reason: string, isLeaving: boolean): void {
    const wasReady = member.isFollowing || this.#isOverdue(member);
    this.#members.delete(member);
    this.#overdue = this.#overdue.filter(
      (step) => ![...step.shares.keys()].every((one) => one.state === 'gone'),
    );
    if (this.#isClosed) return;
    this.generation += 1;
    if (!isLeaving && wasReady) this.deaths += 1;
    this.#tell(isLeaving ? 'left' : 'died', member, reason);
    this.#lose(member);
  }

  /** Others take over what a member had. */
  #lose(member: Member): void {
    this.#step?.lose(member);
    this.#evaluation?.lose(member);
    this.#goOn();
  }

  #late(member: Member, what: string): void {
    member.state = 'late';
    this.generation += 1;
    this.#tell(
      'late',
      member,
      `it owes ${what} for more than ${this.#options.stepTimeoutMs} ms; others compute it`,
    );
    if (this.#step !== null && !this.#overdue.includes(this.#step)) {
      this.#overdue = [...this.#overdue, this.#step].slice(-mostOverdueSteps);
    }
    this.#lose(member);
  }

  #isOverdue(member: Member): boolean {
    return this.#overdue.some(({ shares }) => shares.has(member));
  }

  /** A late member has answered: it gets a new replica. */
  #resync(member: Member, reason: string): void {
    member.link.send({ type: 'resync', reason });
    this.#sync(member);
  }

  #throwOut(member: Member, reason: string): void {
    this.#tell('thrown out', member, reason);
    member.refuse(reason, false);
  }

  /** Replicas are the same on every machine, or somebody computes wrongly. */
  #compare(member: Member, step: number, digest: string): void {
    const expected = [member.sent, this.#checksum].find((known) => known?.step === step);
    if (expected === undefined || expected === null || expected.sha256 === digest) return;
    this.#tell('out of step', member, `its replica before step ${step + 1} is not that of all others`);
    member.state = 'late';
    this.generation += 1;
    this.#lose(member);
    this.#resync(member, 'its replica is not that of all others');
  }

  #ready(): { member: Member; speed: number }[] {
    return [...this.#members]
      .filter(({ state }) => state === 'ready')
      .map((member) => ({ member, speed: this.#speedOf(member) }));
  }

  /** Shards per second; of one that has computed nothing yet, as fast a thread as the others'. */
  #speedOf(member: Member): number {
    const { speed, threads } = this.#accountOf(member);
    if (speed !== null) return speed;
    const known = [...this.#accounts.values()].flatMap((one) =>
      one.speed === null ? [] : [one.speed / one.threads],
    );
    known.sort((a, b) => a - b);
    return threads * (known[Math.floor(known.length / 2)] ?? 1);
  }

  #accountOf(member: Member): Account {
    const account = this.#accounts.get(member.hello?.workerId ?? '');
    if (account === undefined) throw new Error('a member without an account');
    return account;
  }

  // what is done

  /** Begins whatever can begin now. */
  #goOn(): void {
    if (this.#job === null || this.#isClosed || this.#step !== null || this.#evaluation !== null) {
      this.#watchWorkers();
      return;
    }
    if (this.#job.kind === 'train' && (this.#isStopping || this.step >= this.#job.end)) {
      this.#endTraining(this.step >= this.#job.end ? 'done' : 'stopped');
      return;
    }
    if (this.#watchWorkers() || this.#awaitSlow()) return;
    this.#isStarted = true;
    if (this.#job.kind === 'train') this.#beginStep();
    else this.#beginEvaluation();
  }

  /** Returns true while there are too few workers; if that lasts too long the job fails. */
  #watchWorkers(): boolean {
    const needed = this.#isStarted ? this.#options.minWorkers : this.#options.workers;
    if (this.#job === null || this.workers >= needed) {
      this.#stopWaiting();
      return false;
    }
    // A step that has begun goes on with whoever is left.
    if ((this.#step !== null || this.#evaluation !== null) && this.workers > 0) {
      this.#stopWaiting();
      return true;
    }
    if (this.#cancelWait === null) {
      this.#options.onEvent?.({ kind: 'waiting', workers: this.workers, needed });
      const { workerTimeoutMs } = this.#options;
      this.#cancelWait = this.#options.clock.after(workerTimeoutMs, () => {
        this.#fail(
          new LockstepError(
            'WORKERS',
            `${this.workers} workers for ${workerTimeoutMs / 1000} s, expected at least ${needed}; ` +
              'start more of them, or give them more time with --worker-timeout',
          ),
        );
      });
    }
    return true;
  }

  /**
   * Returns true while more waits to be sent to somebody than a replica and a total; it goes on when that has left, and at
   * the deadline without those who still do not take it.
   */
  #awaitSlow(): boolean {
    const mostBytes = this.#replica.bytes + this.#payloadBytes();
    const slow = [...this.#members].filter(
      (member) => member.isFollowing && member.link.bufferedBytes > mostBytes,
    );
    for (const { link } of slow) link.whenBelow(mostBytes, () => this.#goOn());
    if (slow.length > 0) {
      this.#setDeadline(() => {
        for (const member of slow.filter(({ link }) => link.bufferedBytes > mostBytes)) {
          member.drop(`its connection took nothing for ${this.#options.stepTimeoutMs} ms`);
        }
      });
    }
    return slow.length > 0;
  }

  #stopWaiting(): void {
    this.#cancelWait?.();
    this.#cancelWait = null;
  }

  #beginStep(): void {
    const { batchSize, shardSize, epochSamples } = this.#run.setup.sizes;
    const rows = Math.min(batchSize, epochSamples - this.step * batchSize);
    const batch = { rows, shardSize };
    this.#stepStartMs = this.#options.clock.nowMs();
    const step = new DistributedStep(this.committed, batch, this.#layouts, {
      run: this.#runNumber,
      generation: () => this.generation,
      ready: () => this.#ready(),
      newReduction: (_layout, exchange) => this.#newReduction(exchange, batch),
      isGood: (exchange, total) => this.#isGood(exchange, total),
      broadcast: (exchange, total) => this.#broadcast(exchange, total),
      finished: () => this.#commit(step),
      late: (member, what) => this.#late(member, what),
      violated: (member, what) => this.#throwOut(member, `it sent ${what}`),
      conflict: (member, what) =>
        this.#options.onEvent?.({ kind: 'conflict', name: member.name, reason: what }),
      dropped: () => {
        this.framesDropped += 1;
      },
    });
    this.#step = step;
    for (const [member, nodes] of this.#plan(Math.ceil(rows / shardSize))) step.give(member, nodes);
    this.#setDeadline(() => step.expire());
  }

  /** Who gets which nodes of a step. */
  #plan(shardCount: number): [Member, TreeNode[]][] {
    const ready = this.#ready();
    const total = ready.reduce((sum, { speed }) => sum + speed, 0);
    let before = 0;
    let begin = 0;
    return ready.map(({ member, speed }) => {
      before += speed;
      const end = Math.round((shardCount * before) / total);
      const nodes = coveringNodes(begin, end, shardCount);
      begin = end;
      return [member, nodes];
    });
  }

  #newReduction(exchange: number, batch: Batch): Reduction {
    this.#step !== null && this.#setDeadline(() => this.#step?.expire());
    const merger = this.#mergers[exchange];
    return new Reduction(Math.ceil(batch.rows / batch.shardSize), (left, right, node) =>
      merger.merge(left, right, node, batch),
    );
  }

  #setDeadline(expire: () => void): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.after(this.#options.stepTimeoutMs, () => {
      this.#setDeadline(expire);
      expire();
    });
  }

  #partial(member: Member, frame: Frame): void {
    const step =
      frame.step === this.#step?.number
        ? this.#step
        : this.#overdue.find(({ number }) => number === frame.step);
    if (step === undefined || step === null) this.framesDropped += 1;
    else step.partial(member, frame);
    if (member.state === 'late') {
      this.#overdue = this.#overdue.filter((one) => one !== step);
      this.#resync(member, 'it was late');
    }
  }

  #broadcast(exchange: number, total: Float32Array): void {
    for (const member of this.#members) if (member.isFollowing) this.#sendTotal(member, exchange, total);
  }

  #sendTotal({ link }: Member, exchange: number, { buffer, byteOffset, byteLength }: Float32Array): void {
    const header = {
      type: 'total',
      run: this.#runNumber,
      step: this.committed,
      exchange,
      lo: 0,
      hi: 0,
      panel: 0,
      microseconds: 0,
    } as const;
    link.sendFrame(header, new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** Whether a total is finite. If not, either the step is to blame, which ends the run, or a worker, which is thrown out. */
  #isGood(exchange: number, total: Float32Array): boolean {
    const isLast = exchange === this.#layouts.length - 1;
    const isWhole = isLast ? this.#replica.takeGradient(total) : total.every(Number.isFinite);
    if (isWhole) return true;
    const where = this.#replica.diagnose(this.step);
    if (where !== null) {
      this.#diverge(where);
      return false;
    }
    const wrong = this.#step?.rejectNonFinite() ?? [];
    if (wrong.length === 0) {
      this.#fail(new LockstepError('WORKERS', 'workers computed numbers that are not those of the step'));
    }
    for (const member of wrong) this.#throwOut(member, 'it computed NaN or infinity where there is none');
    return false;
  }

  #commit(step: DistributedStep): void {
    const stepOfEpoch = this.step;
    const loss = this.#replica.apply(stepOfEpoch);
    this.#cancelDeadline();
    if (loss === null) {
      this.#diverge(this.#replica.diagnose(stepOfEpoch) ?? 'the update');
      return;
    }
    this.#step = null;
    this.#results.losses[stepOfEpoch] = loss;
    this.#results.seconds[stepOfEpoch] = (this.#options.clock.nowMs() - this.#stepStartMs) / 1000;
    this.shardsRecomputed += step.shardsRecomputed;
    for (const [member, { shards, seconds }] of step.shares) {
      const account = this.#accountOf(member);
      account.shards += shards;
      account.seconds += seconds;
      if (shards === 0 || seconds === 0) continue;
      const speed = shards / seconds;
      account.speed = account.speed === null ? speed : account.speed + speedWeight * (speed - account.speed);
    }
    if (this.committed % checksumSteps === 0) {
      this.#checksum = { step: this.committed, sha256: this.#replica.checksum() };
    }
    this.#goOn();
  }

  #diverge(where: string): void {
    const job = this.#job;
    this.#step = null;
    this.#job = null;
    this.#cancelDeadline();
    if (job?.kind === 'train') job.resolve({ kind: 'nonFinite', step: this.step, where });
  }

  #endTraining(kind: 'done' | 'stopped'): void {
    const job = this.#job;
    this.#job = null;
    this.#stopWaiting();
    if (job?.kind === 'train') job.resolve({ kind, step: this.step });
  }

  #beginEvaluation(): void {
    const { memory, plan } = this.#run;
    const losses = new Float32Array(memory.buffer, plan.evaluationLosses);
    const predictions = new Uint8Array(memory.buffer, plan.predictions, plan.test.samples);
    const evaluation = new DistributedEvaluation(this.committed, plan.test.samples, {
      ready: () => this.#ready(),
      keep: ({ from }, shardLosses, labels) => {
        for (const [i, loss] of shardLosses.entries()) losses[((from + i) * lossSlotBytes) / 4] = loss;
        predictions.set(labels, from * 128);
      },
      finished: () => {
        const job = this.#job;
        this.#evaluation = null;
        this.#job = null;
        this.#cancelDeadline();
        if (job?.kind === 'evaluate') job.resolve();
      },
      late: (member, what) => this.#late(member, what),
      violated: (member, what) => this.#throwOut(member, `it sent ${what}`),
      dropped: () => {
        this.framesDropped += 1;
      },
    });
    this.#evaluation = evaluation;
    evaluation.adoptOrphans();
    this.#setDeadline(() => evaluation.expire());
  }

  #evaluated(member: Member, frame: Frame): void {
    if (frame.step === this.#evaluation?.number) this.#evaluation.evaluation(member, frame);
    else this.framesDropped += 1;
    if (member.state === 'late') this.#resync(member, 'it was late');
  }

  #fail(error: LockstepError): void {
    const job = this.#job;
    this.#job = null;
    this.#step = null;
    this.#evaluation = null;
    this.#cancelDeadline();
    this.#stopWaiting();
    job?.reject(error);
  }

  #tell(
    kind: Extract<FleetEvent, { step: number; reason: string }>['kind'],
    member: Member,
    reason: string,
  ): void {
    const { name, link } = member;
    this.#options.onEvent?.({
      kind,
      name,
      address: link.address,
      reason,
      step: this.committed,
      workers: this.workers,
    });
  }

  #dataPieces(): Uint8Array[] {
    const { plan, memory } = this.#run;
    return [plan.train, plan.test].flatMap((split) => {
      const { images, labels } = splitViews(split, memory);
      return [images, labels];
    });
  }
}
