/**
 * The steps of a run with workers, one after the other: what a step needs from its surroundings, from the plan of who
 * computes what to the update of the coordinator's own replica.
 */
import { newScratch } from '../shared/kernels/scratch.ts';
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { checksumSteps } from '../shared/replica.ts';
import type { FleetPhase } from '../shared/timeline.ts';
import type { Frame } from '../shared/wire/frame.ts';
import type { Clock } from '../shared/wire/link.ts';
import type { CoordinatorTimelines } from './coordinator-timeline.ts';
import { Deadline } from './deadline.ts';
import { DistributedStep, type Overdue } from './distributed-step.ts';
import type { FleetProfile } from './fleet-profile.ts';
import type { Judge } from './judge.ts';
import type { StepResults } from './ledger.ts';
import type { Member } from './member.ts';
import { type Batch, Merger, mergerBytes } from './merger.ts';
import type { Planner } from './planner.ts';
import type { Run } from './prepare.ts';
import type { Proofs } from './proofs.ts';
import { Reduction } from './reduction.ts';
import type { CoordinatorReplica } from './replica.ts';
import { RetiredTotals } from './retired-totals.ts';
import type { Roster } from './roster.ts';
import type { SlowJoiners } from './slow-joiners.ts';

export interface StepRunnerOptions {
  readonly run: Run;
  /** Tells the frames of this run from those of another. */
  readonly runNumber: number;
  readonly clock: Clock;
  readonly stepTimeoutMs: number;
  readonly roster: Roster;
  readonly slowJoiners: SlowJoiners;
  readonly planner: Planner;
  readonly replica: CoordinatorReplica;
  readonly judge: Judge;
  readonly proofs: Pick<Proofs, 'committed'>;
  /** Takes where the time of steps goes, if that is asked for. */
  readonly profile: FleetProfile | undefined;
  readonly timelines: CoordinatorTimelines;
  /** A step is committed; its number in the epoch. */
  committed(step: number): void;
  /** The step met NaN or infinity, and is not committed. */
  diverged(where: string): void;
  failed(reason: string): void;
}

/** Finished steps that a late worker still owes something of are kept for comparison, at most so many. */
export const mostOverdueSteps = 2;

export class StepRunner {
  /** Shards that were given to another worker because one died or was late. */
  shardsRecomputed = 0;
  readonly #options: StepRunnerOptions;
  readonly #deadline: Deadline;
  /** What travels in each exchange of a step, and what merges it. */
  readonly #layouts: readonly PartialLayout[];
  readonly #mergers: readonly Merger[];
  readonly #retired: RetiredTotals;
  readonly #results: StepResults;
  #step: DistributedStep | null = null;
  /** Number of the current step in its epoch. */
  #stepOfEpoch = 0;
  #overdue: DistributedStep[] = [];
  #startMs = 0;
  /** The last step before which replicas are compared, and the digest that they must have. */
  #checksum: { readonly step: number; readonly sha256: string } | null = null;

  constructor(options: StepRunnerOptions) {
    const { run, replica, clock, stepTimeoutMs } = options;
    this.#options = options;
    this.#deadline = new Deadline(clock, stepTimeoutMs);
    this.#layouts = replica.layouts;
    const scratch = newScratch(run.kernels, mergerBytes);
    this.#mergers = this.#layouts.map((layout) => new Merger(layout, scratch));
    this.#retired = new RetiredTotals(this.#mergers);
    const { memory, plan } = run;
    this.#results = {
      losses: new Float32Array(memory.buffer, plan.stepLosses, plan.stepCount),
      correct: new Float32Array(memory.buffer, plan.stepCorrect, plan.stepCount),
      seconds: new Float64Array(memory.buffer, plan.stepSeconds, plan.stepCount),
      checksums: new BigUint64Array(memory.buffer, plan.stepChecksums, plan.stepCount),
    };
  }

  /** True while a step is being computed. */
  get isBusy(): boolean {
    return this.#step !== null;
  }

  /** Bytes of a gradient, as it travels. */
  get gradientBytes(): number {
    return 4 * this.#layouts[this.#layouts.length - 1].floats;
  }

  /** What came of the epoch's steps. */
  get results(): StepResults {
    return this.#results;
  }

  /** The digest that replicas must have before a step, if it is known. */
  digestBefore(step: number): string | null {
    return this.#checksum?.step === step ? this.#checksum.sha256 : null;
  }

  /** Begins a step of the epoch with all that take part. */
  begin(stepOfEpoch: number): void {
    const { run, replica, clock, planner, judge } = this.#options;
    const { batchSize, shardSize, epochSamples } = run.setup.sizes;
    const rows = Math.min(batchSize, epochSamples - stepOfEpoch * batchSize);
    this.#stepOfEpoch = stepOfEpoch;
    this.#startMs = clock.nowMs();
    this.#options.timelines.begin(replica.committed);
    const step: DistributedStep = new DistributedStep(replica.committed, this.#layouts, {
      ready: () => planner.ready(),
      newReduction: (exchange) => this.#newReduction(exchange, { rows, shardSize }),
      isGood: (exchange, total, isKnownFinite) => this.#isGood(exchange, total, isKnownFinite),
      broadcast: (exchange, total) => this.#broadcast(exchange, total),
      finished: () => this.#commit(step),
      conflict: (member, what) => judge.conflict(member, what),
      late: (members) => this.#late(members),
      violated: (member, what) => judge.violated(member, what),
      dropped: () => judge.dropped(),
    });
    this.#step = step;
    for (const { member, nodes } of planner.plan(Math.ceil(rows / shardSize))) step.give(member, nodes);
    this.#deadline.set(() => step.expire());
  }

  /** Gives up the step that is being computed. */
  abandon(): void {
    this.#step = null;
    this.#deadline.cancel();
  }

  /** Brings someone who has got the replica up to the step that is being computed. */
  followUp(member: Member): void {
    this.#step?.followUp((exchange, total) => this.#sendTotal(member, exchange, total));
  }

  /** Gives what nobody has to those who are there now. */
  adoptOrphans(): void {
    this.#step?.adoptOrphans();
  }

  /** Others take over what a member had. */
  lose(member: Member): void {
    this.#step?.lose(member);
  }

  /** Takes a partial from a member, of the current step or of one that is overdue. */
  partial(member: Member, frame: Frame): void {
    const step = [this.#step, ...this.#overdue].find((one) => one?.number === frame.step);
    if (step && step === this.#step) this.#noteMessage('partial', member, frame.exchange, frame.payload);
    if (step) step.partial(member, frame);
    else this.#options.judge.dropped();
  }

  #late(members: readonly Overdue[]): void {
    if (this.#step !== null && !this.#overdue.includes(this.#step)) {
      this.#overdue = [...this.#overdue, this.#step].slice(-mostOverdueSteps);
    }
    this.#options.judge.late(members);
  }

  #newReduction(exchange: number, batch: Batch): Reduction {
    if (this.#step !== null) this.#deadline.set(() => this.#step?.expire());
    const merger = this.#mergers[exchange];
    return new Reduction(Math.ceil(batch.rows / batch.shardSize), (left, right, node) =>
      this.#timed('merging', () => merger.merge(left, right, node, batch)),
    );
  }

  #broadcast(exchange: number, total: Float32Array): void {
    const { roster, slowJoiners } = this.#options;
    // A late member's connection may still hold totals of the time before.
    if (roster.members.every(({ link }) => link.bufferedBytes === 0)) this.#retired.recycle();
    this.#timed('sending', () => {
      for (const member of roster.following) {
        if (slowJoiners.keepsUp(member)) this.#sendTotal(member, exchange, total);
      }
    });
  }

  #sendTotal(member: Member, exchange: number, total: Float32Array): void {
    const { runNumber, replica } = this.#options;
    if (this.#isLast(exchange)) member.totals += 1;
    const { buffer, byteOffset, byteLength } = total;
    const place = { exchange, lo: 0, hi: 0, panel: 0, microseconds: 0 };
    this.#noteMessage('total', member, exchange, total);
    member.link.sendFrame(
      { type: 'total', run: runNumber, step: replica.committed, ...place },
      new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  /** Whether a total is finite. If not, the step is to blame, which ends the run, or a worker, which is thrown out. */
  #isGood(exchange: number, total: Float32Array, isKnownFinite: boolean | null): boolean {
    const { replica, judge } = this.#options;
    const check = () => {
      if (this.#isLast(exchange)) replica.takeGradient(total);
      return (
        isKnownFinite ?? (this.#isLast(exchange) ? replica.gradientIsFinite() : total.every(Number.isFinite))
      );
    };
    if (this.#timed('update', check)) return true;
    const where = replica.diagnose(this.#stepOfEpoch);
    if (where !== null) {
      this.#options.diverged(where);
      return false;
    }
    const isRejected = this.#step?.rejectNonFinite((sender) => judge.blamed(sender));
    if (isRejected !== true) this.#options.failed('workers computed numbers that are not those of the step');
    return false;
  }

  #commit(step: DistributedStep): void {
    const { replica, roster, planner, clock } = this.#options;
    const stepOfEpoch = this.#stepOfEpoch;
    const batch = this.#timed('update', () => replica.apply(stepOfEpoch));
    if (batch === null) {
      this.#options.diverged(replica.diagnose(stepOfEpoch) ?? 'the update');
      return;
    }
    this.#options.timelines.end();
    this.abandon();
    this.#results.losses[stepOfEpoch] = batch.loss;
    this.#results.correct[stepOfEpoch] = batch.correct;
    this.#results.checksums[stepOfEpoch] = replica.updateChecksum;
    this.#results.seconds[stepOfEpoch] = (clock.nowMs() - this.#startMs) / 1000;
    this.shardsRecomputed += step.shardsRecomputed;
    for (const [member, share] of step.shares) {
      roster.credit(member, share);
      if (member.state !== 'gone') planner.observe(member, step.number, share.shards, share.seconds);
    }
    const contributors = [...step.shares].filter(([, { shards }]) => shards > 0);
    this.#options.proofs.committed(contributors.map(([member]) => member));
    this.#overdue = this.#overdue.filter(({ shares }) =>
      [...shares.keys()].some(({ state }) => state === 'late'),
    );
    if (!this.#overdue.includes(step)) this.#retired.add(step.mergedValues());
    if (replica.committed % checksumSteps === 0) {
      this.#checksum = { step: replica.committed, sha256: replica.checksum() };
    }
    this.#options.committed(stepOfEpoch);
  }

  #isLast(exchange: number): boolean {
    return exchange === this.#layouts.length - 1;
  }

  #noteMessage(
    kind: 'partial' | 'total',
    { hello }: Member,
    exchange: number,
    { byteLength }: Uint8Array | Float32Array,
  ): void {
    if (hello !== null) this.#options.timelines.message(kind, hello.workerId, exchange, byteLength);
  }

  #timed<Result>(phase: FleetPhase, work: () => Result): Result {
    const { profile, timelines } = this.#options;
    const timed = () => timelines.time(phase, work);
    return profile === undefined ? timed() : profile.time(phase, timed);
  }
}
