/**
 * A worker that has what it needs follows the run: it takes replicas and totals in order, and computes what it is asked
 * to, one thing at a time; what comes meanwhile waits.
 */
import type { TreeNode } from '../shared/reduction/tree.ts';
import { checksumSteps } from '../shared/replica.ts';
import type { Frame } from '../shared/wire/frame.ts';
import type { Clock, WorkerLink } from '../shared/wire/link.ts';
import { Outgoing } from '../shared/wire/outgoing.ts';
import { Agenda, type Evaluation } from './agenda.ts';
import { breach } from './breach.ts';
import type { Crew, Prepared, RunMemory } from './crew.ts';
import { ReplicaIntake } from './replica-intake.ts';
import type { StepWatch } from './step-watch.ts';

export interface FollowerOptions {
  readonly link: WorkerLink;
  readonly clock: Clock;
  /** What the headers of frames carry. */
  readonly run: number;
  readonly watch: Pick<StepWatch, 'applied'>;
  readonly onEvent: (event: FollowerEvent) => void;
  /** Told when it cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

export type FollowerEvent =
  | { readonly kind: 'ready'; readonly step: number }
  | { readonly kind: 'computed'; readonly step: number; readonly shards: number };

export class Follower {
  /** Frames that were not wanted: of another step, or twice. */
  dropped = 0;
  readonly #memory: RunMemory;
  readonly #crew: Crew;
  readonly #options: FollowerOptions;
  readonly #agenda = new Agenda();
  readonly #replica: ReplicaIntake;
  readonly #outgoing = new Outgoing();
  /** Totals and pieces of replicas on their way into the memory. */
  readonly #frames: Frame[] = [];
  /** True while the replica is the one that all others have. */
  #isSynced = false;
  /** Steps committed here, and the exchange of the step after them whose total comes next. */
  #committed = 0;
  #exchange = 0;
  /** The checksum of what the last update wrote; none before the first of a replica. */
  #proof: bigint | undefined;
  /** Nodes that are computed in that step. */
  #held: TreeNode[] = [];
  #isWorking = false;
  #isStopped = false;
  #working: Promise<void> = Promise.resolve();

  constructor({ memory, crew }: Prepared, options: FollowerOptions) {
    this.#memory = memory;
    this.#crew = crew;
    this.#options = options;
    this.#replica = new ReplicaIntake(memory);
  }

  /** Nodes to compute in the step after so many. */
  assign(step: number, nodes: readonly TreeNode[]): void {
    if (step < this.#committed) return;
    this.#agenda.assign(step, nodes);
    this.#work();
  }

  evaluate(evaluation: Evaluation): void {
    this.#agenda.evaluate(evaluation);
    this.#work();
  }

  /**
   * Another replica is to come. It comes in order with the totals, and says when the old one ends; what was asked for
   * before this is others' business.
   */
  resync(): void {
    this.#replica.announce();
    this.#agenda.clear();
    this.#useReplica();
  }

  /** Takes a total or a piece of a replica. */
  frame(frame: Frame): void {
    this.#frames.push(frame);
    this.#work();
  }

  /** Begins nothing more; returns when nobody computes any more. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#working;
  }

  #work(): void {
    if (this.#isWorking || this.#isStopped) return;
    this.#working = this.#workOff().catch((error: unknown) => this.#options.onFailure(error));
  }

  async #workOff(): Promise<void> {
    this.#isWorking = true;
    try {
      while (!this.#isStopped) {
        const doing = this.#begin();
        if (doing === null) return;
        await doing;
      }
    } finally {
      this.#isWorking = false; // in the same turn, or what comes in between would wait for ever
    }
  }

  /** Begins what is to be done next; null where that is nothing. */
  #begin(): Promise<void> | null {
    const work = this.#isSynced ? this.#agenda.take(this.#committed) : null;
    if (work?.kind === 'nodes') return this.#compute(work.nodes);
    if (work?.kind === 'evaluation') return this.#evaluate(work.evaluation);
    const frame = this.#replica.isWaiting ? undefined : this.#frames.shift();
    if (frame === undefined) return null;
    return frame.type === 'replica' ? this.#takeReplica(frame) : this.#takeTotal(frame);
  }

  async #compute(nodes: readonly TreeNode[]): Promise<void> {
    const how = this.#held.length === 0 ? 'begin' : 'extend';
    for (const node of nodes) {
      // Rows are overwritten as they are computed: twice would give other bits.
      const isTwice = this.#held.some(({ lo, hi }) => lo < node.hi && node.lo < hi);
      if (isTwice) {
        const shards = `shards ${node.lo}–${node.hi - 1} of step ${this.#committed + 1}`;
        throw breach(this.#options.link.address, `it assigned ${shards} twice, expected once`);
      }
      this.#held.push(node);
    }
    const step = this.#memory.enterStep(this.#committed);
    await this.#crew.compute(how, step, this.#exchange, nodes, this.#sender());
  }

  async #takeTotal(frame: Frame): Promise<void> {
    const memory = this.#memory;
    // Who computes nothing in a step needs no total but the last.
    const isDue =
      this.#held.length === 0 ? frame.exchange >= this.#exchange : frame.exchange === this.#exchange;
    const isWanted = this.#isSynced && frame.step === this.#committed && isDue;
    if (!isWanted || frame.payload.length !== memory.totalBytes[frame.exchange]) {
      this.dropped += 1;
      return;
    }
    memory.writeTotal(frame.exchange, frame.payload);
    const step = memory.enterStep(this.#committed);
    this.#exchange = frame.exchange + 1;
    if (this.#exchange === memory.totalBytes.length) await this.#apply(step);
    else if (this.#held.length > 0)
      await this.#crew.compute('advance', step, this.#exchange, this.#held, this.#sender());
  }

  async #apply(step: number): Promise<void> {
    await this.#crew.apply(step);
    this.#options.watch.applied(this.#committed);
    this.#proof = this.#memory.updateChecksum;
    const shards = this.#held.reduce((sum, { lo, hi }) => sum + hi - lo, 0);
    this.#options.onEvent({ kind: 'computed', step: this.#committed, shards });
    this.#enter(this.#committed + 1);
    if (this.#committed % checksumSteps === 0) this.#sendChecksum();
  }

  /** Is before a step of which nothing is done. */
  #enter(committed: number): void {
    this.#committed = committed;
    this.#exchange = 0;
    this.#held = [];
    this.#agenda.forgetBefore(committed);
  }

  async #takeReplica(frame: Frame): Promise<void> {
    const taken = this.#replica.take(frame);
    if (taken === 'unwanted') {
      this.dropped += 1;
      return;
    }
    this.#isSynced = false;
    if (taken === 'part') return;
    this.#crew.resumeAt(frame.step);
    this.#useReplica();
  }

  /** Goes on with a replica that is here. */
  #useReplica(): void {
    const step = this.#replica.use();
    if (step === null) return;
    this.#isSynced = true;
    this.#proof = undefined;
    this.#enter(step);
    this.#options.link.send({ type: 'ready', step });
    this.#sendChecksum();
    this.#options.onEvent({ kind: 'ready', step });
    this.#work();
  }

  async #evaluate({ step, from, to }: Evaluation): Promise<void> {
    const { clock, link, run } = this.#options;
    const startMs = clock.nowMs();
    await this.#crew.evaluate('test', { from, to });
    const microseconds = Math.round((clock.nowMs() - startMs) * 1000);
    const header = { run, step, exchange: 0, lo: from, hi: to, panel: 0, microseconds };
    link.sendFrame({ type: 'evaluation', ...header, ...this.#proven() }, this.#memory.evaluationOf(from, to));
  }

  /** Sends the partials of one computation; its time goes with the first. */
  #sender(): (node: TreeNode, partial: Uint8Array) => void {
    const { clock, link, run } = this.#options;
    const exchange = this.#exchange;
    const step = this.#committed;
    const bytes = this.#memory.totalBytes[exchange];
    const proof = this.#proven();
    let sinceMs = clock.nowMs();
    return ({ lo, hi }, partial) => {
      const nowMs = clock.nowMs();
      const microseconds = Math.round((nowMs - sinceMs) * 1000);
      sinceMs = nowMs;
      const header = { type: 'partial', run, step, exchange, lo, hi, panel: 0, microseconds } as const;
      // The threads go on with the memory.
      link.sendFrame({ ...header, ...proof }, this.#outgoing.copy(partial.subarray(0, bytes), link));
    };
  }

  /** What of a header proves that this replica is that of all others. */
  #proven(): Pick<Frame, 'proof'> {
    return this.#proof === undefined ? {} : { proof: this.#proof };
  }

  #sendChecksum(): void {
    const step = this.#committed;
    this.#options.link.send({ type: 'checksum', step, sha256: this.#memory.checksum(step) });
  }
}
