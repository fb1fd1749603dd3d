/** Places at which a worker process kills itself, put around its connection and its team from outside. */
import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { FrameHeader } from '../../shared/wire/frame.ts';
import type { LinkEvents, WorkerLink } from '../../shared/wire/link.ts';
import type { ToCoordinator, ToWorker } from '../../shared/wire/messages.ts';
import { SoloCrew } from '../../worker/solo-crew.ts';
import { Team } from '../../worker/team.ts';

/**
 * - `connecting`: it has asked for the upgrade and not been answered
 * - `greeting`: right after its hello
 * - `fetching`, `receiving`: after the first chunk of the data, of the replica
 * - `computing`: it computes a partial of an exchange
 * - `sending`: the half of such a partial has left; `sent`: all of it
 * - `evaluating`: it evaluates
 * - `leaving`: right after it has said so; `dismissed`: when it hears that the run is over
 */
export type Phase =
  | 'connecting'
  | 'greeting'
  | 'fetching'
  | 'receiving'
  | 'computing'
  | 'sending'
  | 'sent'
  | 'evaluating'
  | 'leaving'
  | 'dismissed';

export interface Fate {
  readonly phase: Phase;
  /** Of which exchange the partial is. */
  readonly exchange?: number;
}

export type Connect = (events: LinkEvents<ToWorker>) => Promise<WorkerLink>;

/** Nothing of this process is left, and nothing more leaves it. */
function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** A way to connect that meets its fate, if that is one of the connection's. */
export function doomedConnect(connect: Connect, fate: Fate): Connect {
  const sockets: Socket[] = [];
  channel('net.client.socket').subscribe((message) => {
    const { socket } = message as { socket: Socket };
    sockets.push(socket);
    // The request leaves in the turn after the socket is connected; its answer needs a turn of the coordinator.
    if (fate.phase === 'connecting') socket.once('connect', () => setImmediate(die));
  });
  return async (events) => new DoomedLink(await connect(doomedEvents(events, fate)), fate, sockets);
}

/** Makes all crews of this process meet the fate, if it is one of theirs. */
export function doomCrews(fate: Fate): void {
  const { compute, evaluate } = Team.prototype;
  Team.prototype.compute = function (how, step, exchange, nodes, take) {
    const computed = compute.call(this, how, step, exchange, nodes, take);
    if (fate.phase === 'computing' && fate.exchange === exchange) die();
    return computed;
  };
  Team.prototype.evaluate = function (split, shards) {
    const evaluated = evaluate.call(this, split, shards);
    if (fate.phase === 'evaluating') die();
    return evaluated;
  };
  const alone = { compute: SoloCrew.prototype.compute, evaluate: SoloCrew.prototype.evaluate };
  SoloCrew.prototype.compute = function (how, step, exchange, nodes, take) {
    return alone.compute.call(this, how, step, exchange, nodes, (node, partial) => {
      if (fate.phase === 'computing' && fate.exchange === exchange) die();
      take(node, partial);
    });
  };
  SoloCrew.prototype.evaluate = function (split, shards) {
    const evaluated = alone.evaluate.call(this, split, shards);
    if (fate.phase === 'evaluating') die();
    return evaluated;
  };
}

function doomedEvents(events: LinkEvents<ToWorker>, { phase }: Fate): LinkEvents<ToWorker> {
  return {
    message: (message) => {
      if (phase === 'dismissed' && message.type === 'end') die();
      events.message(message);
    },
    frame: (frame) => {
      events.frame(frame);
      if (frame.panel > 0) return;
      if (phase === 'fetching' && frame.type === 'data') die();
      if (phase === 'receiving' && frame.type === 'replica') die();
    },
    closed: (reason) => events.closed(reason),
  };
}

class DoomedLink implements WorkerLink {
  readonly #link: WorkerLink;
  readonly #fate: Fate;
  readonly #sockets: readonly Socket[];

  /** @param sockets all of this process; the last one is that of the frames */
  constructor(link: WorkerLink, fate: Fate, sockets: readonly Socket[]) {
    this.#link = link;
    this.#fate = fate;
    this.#sockets = sockets;
  }

  get address(): string {
    return this.#link.address;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  send(message: ToCoordinator): void {
    this.#link.send(message);
    const last = { greeting: 'hello', leaving: 'leave' }[this.#fate.phase as string];
    if (message.type === last) this.#link.whenBelow(0, die);
  }

  sendFrame(header: FrameHeader, payload: Uint8Array): void {
    const { phase, exchange } = this.#fate;
    const isIt = header.type === 'partial' && header.exchange === exchange;
    if (isIt && phase === 'sending') this.#sendHalf(header, payload);
    else this.#link.sendFrame(header, payload);
    if (isIt && phase === 'sent') this.#link.whenBelow(0, die);
  }

  whenBelow(bytes: number, callback: () => void): void {
    this.#link.whenBelow(bytes, callback);
  }

  openBulk(ticket: string, payloadBytes: number): Promise<void> {
    return this.#link.openBulk(ticket, payloadBytes);
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  destroy(): void {
    this.#link.destroy();
  }

  /** Writes the first half of a frame's bytes, and dies when the system has them. */
  #sendHalf(header: FrameHeader, payload: Uint8Array): void {
    const socket = this.#sockets.at(-1);
    if (socket === undefined) throw new Error('a frame without a connection');
    const pieces: Uint8Array[] = [];
    const write = socket.write.bind(socket);
    socket.write = (piece: Uint8Array | string) => {
      pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
      return true;
    };
    this.#link.sendFrame(header, payload);
    const frame = Buffer.concat(pieces);
    write(frame.subarray(0, frame.length >> 1), die);
  }
}
