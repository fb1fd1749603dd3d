/** A worker's life on one connection: hello → welcome → data → replica → steps → end. It does what the coordinator asks. */
import { reasonOf } from '../shared/errors.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { Heartbeat } from '../shared/wire/heartbeat.ts';
import type { Clock, LinkEvents, WorkerLink } from '../shared/wire/link.ts';
import type { Hello, ToWorker, Welcome } from '../shared/wire/messages.ts';
import { breach } from './breach.ts';
import type { Prepared } from './crew.ts';
import { DataIntake, type DataSink } from './data-intake.ts';
import { Follower, type FollowerEvent } from './follower.ts';
import { type Job, readJob } from './job.ts';
import { type OwnWatch, StepWatch } from './step-watch.ts';

export interface SessionOptions {
  readonly clock: Clock;
  readonly hello: Hello;
  /** Bytes of the largest payload that a frame of this recipe can have. */
  payloadBytes(job: Job): number;
  /**
   * Makes ready for a recipe. `fetch` asks the coordinator for the data, which goes to the sink; it is called where there
   * is no copy of one's own.
   */
  prepare(job: Job, fetch: (sink: DataSink) => Promise<void>): Promise<Prepared>;
  /** Who is told how this worker spends its steps. */
  readonly watch?: OwnWatch | null;
  /** Told when something happens that a user wants to know. */
  onEvent?(event: SessionEvent): void;
}

export type SessionEvent =
  | { readonly kind: 'welcomed'; readonly name: string; readonly job: Job }
  | { readonly kind: 'fetching' }
  | { readonly kind: 'resync'; readonly reason: string }
  | FollowerEvent;

/**
 * How a session ended. `refused`, `over` and `broken` are the coordinator's word, the last one of a run that failed; after
 * `lost` a worker comes back.
 */
export type SessionEnd =
  | { readonly kind: 'over' | 'broken' | 'left' | 'lost' | 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly error: unknown };

export class Session implements LinkEvents<ToWorker> {
  /** How it ended, once nobody computes or prepares for it any more. */
  readonly ended: Promise<SessionEnd>;
  readonly #options: SessionOptions;
  readonly #link: WorkerLink;
  readonly #heartbeat: Heartbeat;
  readonly #watch: StepWatch;
  readonly #data = new DataIntake();
  readonly #finish: (end: Promise<SessionEnd>) => void;
  #end: SessionEnd | null = null;
  #run: number | null = null;
  #preparing: Promise<void> | null = null;
  #follower: Follower | null = null;
  #dropped = 0;

  constructor(link: WorkerLink, options: SessionOptions) {
    this.#options = options;
    this.#link = link;
    let finish: (end: Promise<SessionEnd>) => void = () => {};
    this.ended = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    this.#heartbeat = new Heartbeat(options.clock, {
      beat: () => link.send({ type: 'heartbeat' }),
      silent: (ms) => this.#lose(`the coordinator has been silent for ${(ms / 1000).toFixed(0)} s`),
    });
    this.#watch = new StepWatch({
      clock: options.clock,
      send: (message) => link.send(message),
      own: options.watch ?? null,
    });
    link.send(options.hello);
  }

  /** Frames that were not wanted: of another run or step, or twice. */
  get dropped(): number {
    return this.#dropped + (this.#follower?.dropped ?? 0);
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
    try {
      this.#obey(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  frame(frame: Frame): void {
    if (this.#end !== null) return;
    this.#heartbeat.heard();
    if (!this.#take(frame)) this.#dropped += 1;
  }

  closed(reason: string): void {
    this.#close({ kind: 'lost', reason });
  }

  #obey(message: ToWorker): void {
    switch (message.type) {
      case 'ping':
        this.#link.send({ type: 'pong', number: message.number });
        break;
      case 'watch':
        this.#watch.ask(message.every);
        break;
      case 'welcome':
        this.#welcome(message).catch((error: unknown) => this.#fail(error));
        break;
      case 'refuse':
        this.#close({ kind: 'refused', reason: message.reason });
        break;
      case 'end':
        this.#close({ kind: message.failed ? 'broken' : 'over', reason: message.reason });
        break;
      case 'resync':
        this.#follower?.resync();
        this.#options.onEvent?.({ kind: 'resync', reason: message.reason });
        break;
      case 'assign':
        this.#follower?.assign(
          message.step,
          message.nodes.map(([lo, hi]) => ({ lo, hi })),
        );
        break;
      case 'evaluate':
        this.#follower?.evaluate(message);
        break;
      default:
        message satisfies never;
    }
  }

  /** Returns false for a frame that nobody waits for. */
  #take(frame: Frame): boolean {
    if (frame.run !== this.#run) return false;
    if (frame.type === 'data') return this.#data.take(frame.panel, frame.payload);
    if ((frame.type !== 'total' && frame.type !== 'replica') || this.#follower === null) return false;
    this.#follower.frame(frame);
    return true;
  }

  async #welcome(welcome: Welcome): Promise<void> {
    const { address } = this.#link;
    if (this.#run !== null) throw breach(address, 'it said welcome twice, expected once');
    this.#run = welcome.run;
    const job = readJob(welcome, address);
    this.#options.onEvent?.({ kind: 'welcomed', name: welcome.name, job });
    const payloadBytes = this.#options.payloadBytes(job);
    try {
      await this.#link.openBulk(welcome.ticket, payloadBytes);
    } catch (error) {
      // The coordinator lets us in, so whatever is wrong is wrong with this connection.
      this.#lose(reasonOf(error));
    }
    if (this.#end !== null) return;
    this.#preparing = this.#prepare(job, welcome.run);
    await this.#preparing;
  }

  async #prepare(job: Job, run: number): Promise<void> {
    const prepared = await this.#options.prepare(job, (sink) => this.#fetch(sink));
    if (this.#end !== null) return;
    this.#watch.begin(prepared.crew);
    this.#follower = new Follower(prepared, {
      link: this.#link,
      clock: this.#options.clock,
      run,
      watch: this.#watch,
      onEvent: (event) => this.#options.onEvent?.(event),
      onFailure: (error) => this.#fail(error),
    });
    this.#link.send({ type: 'join' });
  }

  /** @throws at once where the session has ended in the meantime */
  #fetch(sink: DataSink): Promise<void> {
    const received = this.#data.receive(sink);
    if (this.#end !== null) return received;
    this.#options.onEvent?.({ kind: 'fetching' });
    this.#link.send({ type: 'fetch' });
    return received;
  }

  #lose(reason: string): void {
    if (this.#end !== null) return;
    this.#link.destroy();
    this.#close({ kind: 'lost', reason });
  }

  /** Something went wrong here, or with what the coordinator says: it is told, and whoever waits for the session. */
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
    this.#data.cancel(end.reason);
    this.#finish(Promise.allSettled([this.#preparing, this.#follower?.stop()]).then(() => end));
  }
}
