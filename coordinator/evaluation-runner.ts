/** The evaluations of a run with workers: what comes of them goes to where one process leaves it in memory. */
import { evaluationShard, lossSlotBytes } from '../shared/model/memory-plan.ts';
import type { Frame } from '../shared/wire/frame.ts';
import type { Clock } from '../shared/wire/link.ts';
import { Deadline } from './deadline.ts';
import { DistributedEvaluation, type EvaluationHost } from './distributed-evaluation.ts';
import type { Judge } from './judge.ts';
import type { Member } from './member.ts';
import type { Planner } from './planner.ts';
import type { Run } from './prepare.ts';
import type { CoordinatorReplica } from './replica.ts';

export interface EvaluationRunnerOptions {
  readonly run: Run;
  readonly clock: Clock;
  readonly stepTimeoutMs: number;
  readonly planner: Planner;
  readonly replica: CoordinatorReplica;
  readonly judge: Judge;
  finished(): void;
}

export class EvaluationRunner {
  readonly #options: EvaluationRunnerOptions;
  readonly #deadline: Deadline;
  /** A loss for each shard, `lossSlotBytes` apart, and a label for each sample of the test set. */
  readonly #losses: Float32Array;
  readonly #predictions: Uint8Array;
  #evaluation: DistributedEvaluation | null = null;

  constructor(options: EvaluationRunnerOptions) {
    this.#options = options;
    this.#deadline = new Deadline(options.clock, options.stepTimeoutMs);
    const { memory, plan } = options.run;
    this.#losses = new Float32Array(memory.buffer, plan.evaluationLosses);
    this.#predictions = new Uint8Array(memory.buffer, plan.predictions, plan.test.samples);
  }

  /** True while the test set is being evaluated. */
  get isBusy(): boolean {
    return this.#evaluation !== null;
  }

  /** Evaluates the test set with the replica as it is now, by all that take part. */
  begin(): void {
    const { replica, planner, judge, finished } = this.#options;
    const evaluation = new DistributedEvaluation(replica.committed, this.#predictions.length, {
      ready: () => planner.ready(),
      isTrue: ({ from, to }) => {
        replica.evaluate({ from, to });
        return Array.from({ length: to - from }, (_, i) => this.#lossOf(from + i)).some(
          (loss) => !Number.isFinite(loss),
        );
      },
      keep: (range, losses, labels) => this.#keep(range, losses, labels),
      finished,
      late: (members) => judge.late(members),
      violated: (member, what) => judge.violated(member, what),
      dropped: () => judge.dropped(),
    });
    this.#evaluation = evaluation;
    evaluation.begin();
    this.#deadline.set(() => evaluation.expire());
  }

  /** Gives up the evaluation. */
  abandon(): void {
    this.#evaluation = null;
    this.#deadline.cancel();
  }

  /** Gives what nobody has to those who are there now. */
  adoptOrphans(): void {
    this.#evaluation?.adoptOrphans();
  }

  /** Others take over what a member had. */
  lose(member: Member): void {
    this.#evaluation?.lose(member);
  }

  /** Takes what a member computed. */
  take(member: Member, frame: Frame): void {
    if (frame.step === this.#evaluation?.number) this.#evaluation.evaluation(member, frame);
    else this.#options.judge.dropped();
  }

  #lossOf(shard: number): number {
    return this.#losses[(shard * lossSlotBytes) / 4];
  }

  #keep(...[{ from }, losses, labels]: Parameters<EvaluationHost['keep']>): void {
    for (const [i, loss] of losses.entries()) this.#losses[((from + i) * lossSlotBytes) / 4] = loss;
    this.#predictions.set(labels, from * evaluationShard);
  }
}
