/** Connections between simulated processes, each of two pipes a way: control messages and bulk frames. */
import { LockstepError } from '../../../shared/errors.ts';
import { type FrameHeader, headerBytes } from '../../../shared/wire/frame.ts';
import { helloTimeoutMs } from '../../../shared/wire/limits.ts';
import type { ArrivingLink, Link, LinkEvents, WorkerLink } from '../../../shared/wire/link.ts';
import { schemas, type ToCoordinator, type ToWorker } from '../../../shared/wire/messages.ts';
import type { Dice } from './dice.ts';
import { type Item, Pipe, type Weather } from './pipe.ts';
import type { Process, World } from './world.ts';

/** Who is told of what travels; throws nothing. */
export interface Traffic {
  /** A worker or the coordinator hands something to the network. False if its process has just been killed. */
  sending(end: End<unknown, unknown>, item: Item<unknown>): boolean;
  /** Something has arrived and is about to be taken. False if its process has just been killed. */
  taking(end: End<unknown, unknown>, item: Item<unknown>): boolean;
  /** A frame is about to be taken for the second time. */
  duplicate(end: End<unknown, unknown>): void;
}

/** A guess of what a control message weighs. */
const messageBytes = 100;
/** As long as the WebSocket package waits for the other end of a close. */
const closeTimeoutMs = 30_000;

/** One end of a connection. */
export class End<Sent, Received> implements Link<Sent> {
  readonly address: string;
  readonly process: Process;
  readonly connection: Connection;
  readonly side: 'coordinator' | 'worker';
  events: LinkEvents<Received> | null = null;
  hasBulk = false;
  state: 'open' | 'ending' | 'closed' = 'open';
  onOpened: (() => void) | null = null;
  /** Told when the bulk connection has come. */
  onBulk = (): void => {};
  /** Where things leave. */
  control: Pipe<Sent> | null = null;
  bulk: Pipe<Sent> | null = null;
  #closesSeen = 0;
  #waiting: { readonly bytes: number; readonly callback: () => void }[] = [];

  constructor(connection: Connection, side: 'coordinator' | 'worker', process: Process, address: string) {
    this.connection = connection;
    this.side = side;
    this.process = process;
    this.address = address;
  }

  send(message: Sent): void {
    if (this.state !== 'open') return;
    const schema = this.side === 'worker' ? schemas.toCoordinator : schemas.toWorker;
    const { success, error } = schema.safeParse(message);
    if (!success) throw new Error(`the ${this.side} sends what is no message: ${error.message}`);
    this.#push(this.control, { kind: 'message', message }, messageBytes);
  }

  sendFrame(header: FrameHeader, payload: Uint8Array): void {
    if (this.state !== 'open') return;
    if (!this.hasBulk) throw new Error(`${this.address}: a frame before the bulk connection is open`);
    const item = { kind: 'frame', frame: { ...header, payload } } as const;
    this.#push(this.bulk, item, headerBytes + payload.length);
  }

  get bufferedBytes(): number {
    return (this.control?.bufferedBytes ?? 0) + (this.bulk?.bufferedBytes ?? 0);
  }

  whenBelow(bytes: number, callback: () => void): void {
    if (this.state === 'closed' || this.bufferedBytes <= bytes) this.process.post(callback);
    else this.#waiting.push({ bytes, callback });
  }

  close(reason: string): void {
    if (this.state !== 'open') return;
    this.state = 'ending';
    this.#pushClose(reason);
    this.process.after(closeTimeoutMs, () => this.destroy());
  }

  destroy(): void {
    if (this.state === 'closed') return;
    this.state = 'ending';
    this.break();
    this.process.post(() => this.#tell('dropped here'));
  }

  /** What the kernel does for a process that is dead. */
  break(): void {
    this.control?.break();
    this.bulk?.break();
    this.drained();
  }

  openBulk(): void {
    this.#push(this.bulk, { kind: 'open' }, messageBytes);
  }

  /** Something has come over one of the pipes. */
  receive(item: Item<Received>): void {
    if (this.state === 'closed' || !this.connection.traffic.taking(this as End<unknown, unknown>, item))
      return;
    switch (item.kind) {
      case 'message':
        if (this.state === 'open') this.events?.message(item.message);
        break;
      case 'frame':
        if (this.state === 'open') this.events?.frame(item.frame);
        break;
      case 'open':
        this.hasBulk = true;
        this.onBulk();
        this.#push(this.bulk, { kind: 'opened' }, messageBytes);
        if (this.state === 'open') this.events?.bulkOpen?.();
        break;
      case 'opened':
        this.hasBulk = true;
        this.onOpened?.();
        break;
      case 'close':
        this.#closesSeen += 1;
        if (this.#closesSeen === 2) {
          if (this.state === 'open') this.#pushClose(item.reason);
          this.#tell(item.reason);
        }
        break;
      case 'eof':
        this.break();
        this.#tell('the connection was lost');
        break;
      default:
        item satisfies never;
    }
  }

  drained(): void {
    const due = this.#waiting.filter(({ bytes }) => this.state === 'closed' || this.bufferedBytes <= bytes);
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { callback } of due) this.process.post(callback);
  }

  #push(pipe: Pipe<Sent> | null, item: Item<Sent>, bytes: number): void {
    if (this.connection.traffic.sending(this as End<unknown, unknown>, item)) pipe?.push(item, bytes);
  }

  #pushClose(reason: string): void {
    this.bulk?.push({ kind: 'close', reason }, messageBytes);
    this.control?.push({ kind: 'close', reason }, messageBytes);
  }

  #tell(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.drained();
    this.events?.closed(reason);
  }
}

export type WorkerEnd = End<ToCoordinator, ToWorker>;
export type CoordinatorEnd = End<ToWorker, ToCoordinator>;

export class Connection {
  readonly traffic: Traffic;
  readonly worker: WorkerEnd;
  readonly coordinator: CoordinatorEnd;

  constructor(
    world: World,
    weather: Weather,
    dice: Dice,
    traffic: Traffic,
    [worker, coordinator]: readonly [Process, Process],
    id: number,
  ) {
    this.traffic = traffic;
    const address = `connection ${id}`;
    this.worker = new End(this, 'worker', worker, address);
    this.coordinator = new End(this, 'coordinator', coordinator, address);
    const pipe = <Message>(from: End<Message, unknown>, to: End<unknown, Message>): Pipe<Message> =>
      new Pipe<Message>(
        world,
        weather,
        dice,
        (item) => {
          to.process.post(() => to.receive(item));
          if (item.kind !== 'frame' || !dice.chance(weather.duplicateChance)) return;
          world.at(
            world.nowMs + dice.between(0, 300),
            () => {
              if (to.state === 'open') traffic.duplicate(to as End<unknown, unknown>);
              to.receive(item);
            },
            to.process,
          );
        },
        () => from.drained(),
      );
    this.worker.control = pipe(this.worker as never, this.coordinator as never);
    this.worker.bulk = pipe(this.worker as never, this.coordinator as never);
    this.coordinator.control = pipe(this.coordinator as never, this.worker as never);
    this.coordinator.bulk = pipe(this.coordinator as never, this.worker as never);
  }

  get isOpen(): boolean {
    return this.worker.state === 'open' && this.coordinator.state === 'open';
  }

  /** Stalls some of the pipes. */
  stall(ms: number, which: { up?: boolean; down?: boolean; control?: boolean; bulk?: boolean }): void {
    for (const [way, end] of [
      ['up', this.worker],
      ['down', this.coordinator],
    ] as const) {
      if (which[way] !== true) continue;
      if (which.control === true) end.control?.stall(ms);
      if (which.bulk === true) end.bulk?.stall(ms);
    }
  }

  /** Both ends learn at once that the connection is gone. */
  reset(): void {
    for (const end of [this.worker, this.coordinator]) end.process.post(() => end.receive({ kind: 'eof' }));
  }

  /** The coordinator's end as its members see it. */
  arriving(): ArrivingLink {
    const end = this.coordinator;
    const deadline = () => end.process.after(helloTimeoutMs, () => end.destroy());
    let cancel = deadline();
    end.onBulk = () => cancel();
    const link: ArrivingLink = {
      address: end.address,
      ticket: 'ticket',
      get hasBulk() {
        return end.hasBulk;
      },
      get bufferedBytes() {
        return end.bufferedBytes;
      },
      expectBulk: () => {
        cancel();
        if (!end.hasBulk) cancel = deadline();
      },
      send: (message) => end.send(message),
      sendFrame: (header, payload) => end.sendFrame(header, payload),
      whenBelow: (bytes, callback) => end.whenBelow(bytes, callback),
      close: (reason) => {
        cancel();
        end.close(reason);
      },
      destroy: () => {
        cancel();
        end.destroy();
      },
    };
    return link;
  }

  /** The worker's end as its session sees it. */
  leaving(): WorkerLink {
    const end = this.worker;
    return {
      address: end.address,
      get bufferedBytes() {
        return end.bufferedBytes;
      },
      openBulk: () =>
        new Promise((resolve, reject) => {
          end.onOpened = resolve;
          end.openBulk();
          if (end.state !== 'open') reject(new LockstepError('CONNECTION', 'closed before it was open'));
        }),
      send: (message) => end.send(message),
      sendFrame: (header, payload) => end.sendFrame(header, payload),
      whenBelow: (bytes, callback) => end.whenBelow(bytes, callback),
      close: (reason) => end.close(reason),
      destroy: () => end.destroy(),
    };
  }
}
