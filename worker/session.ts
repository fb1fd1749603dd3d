/**
 * A worker's life on one connection: hello → data → replica → steps → end. It does what the coordinator asks, one thing
 * at a time; what comes meanwhile waits.
 */
import { reasonOf } from '../shared/errors.ts';
import type { TreeNode } from '../shared/reduction/tree.ts';
import { checksumSteps } from '../shared/replica.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { Heartbeat } from '../shared/wire/heartbeat.ts';
import type { Clock, LinkEvents, WorkerLink } from '../shared/wire/link.ts';
import type { Hello, ToWorker, Welcome } from '../shared/wire/messages.ts';
import { Outgoing } from '../shared/wire/outgoing.ts';
import type { WorkerMemory } from './worker-memory.ts';

/** What computes for a worker: a team of threads. */
export interface Crew {
  compute(
    how: 'begin' | 'extend' | 'advance',
    step: number,
    exchange: number,
    nodes: readonly TreeNode[],
    take: (node: TreeNode, partial: Uint8Array) => void,
  ): Promise<void>;
  apply(step: number): Promise<void>;
  evaluate(split: 'test', shards: { readonly from: number; readonly to: number }): Promise<void>;
  resumeAt(committed: number): void;
}

/** What a session works with once it knows the recipe. */
export interface Prepared {
  readonly memory: WorkerMemory;
  readonly crew: Crew;
}

/** Brings data to a worker that has none. */
export interface DataSink {
  /** Takes the next bytes of the data set; returns whether it is whole. */
  chunk(panel: number, bytes: Uint8Array): boolean;
}

export interface SessionOptions {
  readonly clock: Clock;
  readonly hello: Hello;
  /** Bytes of the largest payload that a frame of this recipe can have. */
  payloadBytes(welcome: Welcome): number;
  /**
   * Makes ready for a recipe. `fetch` asks the coordinator for the data, which goes to the sink; it is called where there
   * is no copy of one's own.
   */
  prepare(welcome: Welcome, fetch: (sink: DataSink) => Promise<void>): Promise<Prepared>;
  /** Told when something happens that a user wants to know. */
  onEvent?(event: SessionEvent): void;
}

export type SessionEvent =
  | { readonly kind: 'welcomed'; readonly name: string; readonly welcome: Welcome }
  | { readonly kind: 'fetching' }
  | { readonly kind: 'ready'; readonly step: number }
  | { readonly kind: 'resync'; readonly reason: string }
  | { readonly kind: 'computed'; readonly step: number; readonly shards: number };

/** How a session ended. `refused` and `over` are the coordinator's word; after `lost` a worker comes back. */
export type SessionEnd =
  | { readonly kind: 'over' | 'left' | 'lost' | 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly error: unknown };

/** A total or a piece of a replica on its way into the memory. */
interface Task {
  readonly kind: 'total' | 'replica';
  readonly frame: Frame;
}

/** Shards to evaluate once so many steps are committed. */
interface Evaluation {
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

export class Session implements LinkEvents<ToWorker> {
  /** Frames that were not wanted: of another run or step, or twice. */
  dropped = 0;
  readonly #options: SessionOptions;
  readonly #link: WorkerLink;
  readonly #heartbeat: Heartbeat;
  readonly #outgoing = new Outgoing();
  readonly #finish: (end: SessionEnd) => void;
  readonly ended: Promise<SessionEnd>;
  #end: SessionEnd | null = null;
  #run: number | null = null;
  #prepared: Prepared | null = null;
  #sink: { sink: DataSink; panel: number; done: () => void; failed: (error: unknown) => void } | null = null;
  /** A replica that has come and that the message announcing it has not. */
  #arrived: { readonly number: number; readonly step: number } | null = null;
  /** Replicas that were announced beside the first. */
  #resyncs = 0;
  /** True while the replica is the one that all others have. */
  #isSynced = false;
  /** Steps committed here, and the exchange of the step after them whose total comes next. */
  #committed = 0;
  #exchange = 0;
  #held: TreeNode[] = [];
  /** Nodes to compute, by the steps committed before theirs. */
  readonly #assigned = new Map<number, TreeNode[]>();
  /** What is asked for may overtake the total that it needs. */
  #evaluations: Evaluation[] = [];
  /** Which replica of this connection is here or being taken, and the piece of it that is due. */
  #replica = { number: -1, panel: 0 };
  readonly #tasks: Task[] = [];
  #isWorking = false;
  #isPreparing = false;

  constructor(link: WorkerLink, options: SessionOptions) {
    this.#options = options;
    this.#link = link;
    let finish: (end: SessionEnd) => void = () => {};
    this.ended = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    this.#heartbeat = new Heartbeat(options.clock, {
      beat: () => link.send({ type: 'heartbeat' }),
      silent: (ms) => this.#lose(`the coordinator has been silent for ${(ms / 1000).toFixed(0)} s`),
    });
    link.send(options.hello);
  }

  /** Leaves in good order; the others take over what is not computed yet. */
  leave(reason: string): void {
    if (this.#end !== null) return;
    this.#link.send({ type: 'leave', reason });
    this.#close({ kind: 'left', reason });
  }

  message(message: ToWorker): void {
    if (this.#end !== null) return;
    this.#heartbeat.heard();
    switch (message.type) {
      case 'heartbeat':
        break;
      case 'welcome':
        this.#welcome(message).catch((error: unknown) => this.#fail(error));
        break;
      case 'refuse':
        this.#close({ kind: 'refused', reason: message.reason });
        break;
      case 'end':
        this.#close({ kind: 'over', reason: message.reason });
        break;
      case 'resync':
        // The replica itself comes in order with the totals, and says when the old one ends. What was asked for before
        // this message is others' business.
        this.#resyncs += 1;
        this.#assigned.clear();
        this.#evaluations = [];
        this.#useReplica();
        this.#options.onEvent?.({ kind: 'resync', reason: message.reason });
        break;
      case 'assign':
        this.#assign(
          message.step,
          message.nodes.map(([lo, hi]) => ({ lo, hi })),
        );
        break;
      case 'evaluate':
        this.#evaluations.push(message);
        this.#work();
        break;
      default:
        message satisfies never;
    }
  }

  frame(frame: Frame): void {
    if (this.#end !== null) return;
    this.#heartbeat.heard();
    if (frame.run !== this.#run) this.dropped += 1;
    else if (frame.type === 'data') this.#takeData(frame);
    else if (frame.type === 'total' || frame.type === 'replica') this.#add({ kind: frame.type, frame });
    else this.dropped += 1;
  }

  closed(reason: string): void {
    this.#close({ kind: 'lost', reason });
  }

  async #welcome(welcome: Welcome): Promise<void> {
    if (this.#run !== null) throw new Error('the coordinator said welcome twice');
    this.#run = welcome.run;
    this.#options.onEvent?.({ kind: 'welcomed', name: welcome.name, welcome });
    const payloadBytes = this.#options.payloadBytes(welcome);
    try {
      await this.#link.openBulk(welcome.ticket, payloadBytes);
    } catch (error) {
      // The coordinator lets us in, so whatever is wrong is wrong with this connection.
      this.#lose(reasonOf(error));
    }
    if (this.#end !== null) return;
    this.#isPreparing = true;
    try {
      this.#prepared = await this.#options.prepare(welcome, (sink) => this.#fetch(sink));
      this.#link.send({ type: 'join' });
    } finally {
      this.#isPreparing = false;
      this.#finishIfIdle();
    }
  }

  #fetch(sink: DataSink): Promise<void> {
    this.#options.onEvent?.({ kind: 'fetching' });
    this.#link.send({ type: 'fetch' });
    return new Promise((resolve, reject) => {
      this.#sink = { sink, panel: 0, done: resolve, failed: reject };
    });
  }

  #takeData({ panel, payload }: Frame): void {
    if (this.#sink === null || panel < this.#sink.panel) {
      this.dropped += 1;
      return;
    }
    this.#sink.panel = panel + 1;
    const { sink, done, failed } = this.#sink;
    try {
      if (!sink.chunk(panel, payload)) return;
      this.#sink = null;
      done();
    } catch (error) {
      failed(error);
    }
  }

  #assign(step: number, nodes: TreeNode[]): void {
    if (step < this.#committed) return;
    this.#assigned.set(step, [...(this.#assigned.get(step) ?? []), ...nodes]);
    this.#work();
  }

  #add(task: Task): void {
    this.#tasks.push(task);
    this.#work();
  }

  #work(): void {
    if (this.#isWorking || this.#prepared === null) return;
    this.#isWorking = true;
    this.#workOff(this.#prepared)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isWorking = false;
        this.#finishIfIdle();
      });
  }

  async #workOff(prepared: Prepared): Promise<void> {
    while (this.#end === null) {
      const nodes = this.#isSynced ? this.#assigned.get(this.#committed) : undefined;
      if (nodes !== undefined) {
        this.#assigned.delete(this.#committed);
        await this.#computeMore(prepared, nodes);
        continue;
      }
      const evaluation = this.#isSynced
        ? this.#evaluations.find(({ step }) => step === this.#committed)
        : undefined;
      if (evaluation !== undefined) {
        this.#evaluations = this.#evaluations.filter((other) => other !== evaluation);
        await this.#evaluate(prepared, evaluation);
        continue;
      }
      if (this.#arrived !== null) return;
      const task = this.#tasks.shift();
      if (task === undefined) return;
      if (task.kind === 'replica') this.#takeReplica(prepared, task.frame);
      else await this.#takeTotal(prepared, task.frame);
    }
  }

  async #computeMore({ memory, crew }: Prepared, nodes: TreeNode[]): Promise<void> {
    const how = this.#held.length === 0 ? 'begin' : 'extend';
    for (const node of nodes) {
      // Rows are overwritten as they are computed: twice would give other bits.
      const twice = this.#held.find(({ lo, hi }) => lo < node.hi && node.lo < hi);
      if (twice)
        throw new Error(
          `shards ${node.lo}–${node.hi - 1} were assigned twice in step ${this.#committed + 1}`,
        );
      this.#held.push(node);
    }
    const step = memory.enterStep(this.#committed);
    await crew.compute(how, step, this.#exchange, nodes, this.#sender());
  }

  async #takeTotal({ memory, crew }: Prepared, frame: Frame): Promise<void> {
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
    if (this.#exchange < memory.totalBytes.length) {
      if (this.#held.length > 0) {
        await crew.compute('advance', step, this.#exchange, this.#held, this.#sender());
      }
      return;
    }
    await crew.apply(step);
    const shards = this.#held.reduce((sum, { lo, hi }) => sum + hi - lo, 0);
    this.#options.onEvent?.({ kind: 'computed', step: this.#committed, shards });
    this.#committed += 1;
    this.#exchange = 0;
    this.#held = [];
    this.#forgetOld();
    if (this.#committed % checksumSteps === 0) this.#sendChecksum(memory);
  }

  /** Sends the partials of one computation; its time goes with the first. */
  #sender(): (node: TreeNode, partial: Uint8Array) => void {
    const run = this.#run ?? 0;
    const exchange = this.#exchange;
    const step = this.#committed;
    const bytes = this.#prepared?.memory.totalBytes[exchange];
    let sinceMs = this.#options.clock.nowMs();
    return ({ lo, hi }, partial) => {
      const nowMs = this.#options.clock.nowMs();
      const microseconds = Math.round((nowMs - sinceMs) * 1000);
      sinceMs = nowMs;
      const header = { type: 'partial', run, step, exchange, lo, hi, panel: 0, microseconds } as const;
      // The threads go on with the memory.
      this.#link.sendFrame(header, this.#outgoing.copy(partial.subarray(0, bytes), this.#link));
    };
  }

  #takeReplica({ memory, crew }: Prepared, { step, lo: number, panel, payload }: Frame): void {
    const isNext = number === this.#replica.number && panel === this.#replica.panel;
    const isNew = number > this.#replica.number && panel === 0;
    const isWhole = isNext || isNew ? memory.replicaChunk(step, panel, payload) : null;
    if (isWhole === null) {
      this.dropped += 1;
      return;
    }
    this.#replica = { number, panel: panel + 1 };
    this.#isSynced = false;
    if (!isWhole) return;
    crew.resumeAt(step);
    this.#arrived = { number, step };
    this.#useReplica();
  }

  /** Goes on with a replica that is here, once everything that was asked for before it is known to be void. */
  #useReplica(): void {
    if (this.#prepared === null || this.#arrived === null || this.#arrived.number > this.#resyncs) return;
    const { step } = this.#arrived;
    this.#arrived = null;
    this.#isSynced = true;
    this.#committed = step;
    this.#exchange = 0;
    this.#held = [];
    this.#forgetOld();
    this.#link.send({ type: 'ready', step });
    this.#sendChecksum(this.#prepared.memory);
    this.#options.onEvent?.({ kind: 'ready', step });
    this.#work();
  }

  /** What was to be done in steps that are over is not done any more. */
  #forgetOld(): void {
    for (const step of this.#assigned.keys()) if (step < this.#committed) this.#assigned.delete(step);
    this.#evaluations = this.#evaluations.filter(({ step }) => step >= this.#committed);
  }

  async #evaluate({ memory, crew }: Prepared, { step, from, to }: Evaluation): Promise<void> {
    const startMs = this.#options.clock.nowMs();
    await crew.evaluate('test', { from, to });
    const microseconds = Math.round((this.#options.clock.nowMs() - startMs) * 1000);
    this.#link.sendFrame(
      {
        type: 'evaluation',
        run: this.#run ?? 0,
        step,
        exchange: 0,
        lo: from,
        hi: to,
        panel: 0,
        microseconds,
      },
      memory.evaluationOf(from, to),
    );
  }

  #sendChecksum(memory: WorkerMemory): void {
    this.#link.send({ type: 'checksum', step: this.#committed, sha256: memory.checksum(this.#committed) });
  }

  #lose(reason: string): void {
    if (this.#end !== null) return;
    this.#link.destroy();
    this.#close({ kind: 'lost', reason });
  }

  /** Something of our own went wrong: the coordinator is told, and whoever waits for the session. */
  #fail(error: unknown): void {
    if (this.#end !== null) return;
    const reason = `failed: ${reasonOf(error)}`;
    this.#link.send({ type: 'leave', reason: reason.slice(0, 256) });
    this.#close({ kind: 'failed', reason, error });
  }

  #close(end: SessionEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#heartbeat.stop();
    this.#link.close(end.reason);
    this.#sink?.failed(new Error(end.reason));
    this.#finishIfIdle();
  }

  /** A session has ended when nobody computes for it any more. */
  #finishIfIdle(): void {
    if (this.#end !== null && !this.#isWorking && !this.#isPreparing) this.#finish(this.#end);
  }
}
