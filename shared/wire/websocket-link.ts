/** A link over two WebSockets: control messages on one, bulk frames on the other, so that neither waits for the other. */
import type { Duplex } from 'node:stream';
import { oneLine } from '../errors.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { decodeFrame, encodeHeader, type Frame, type FrameHeader, headerBytes } from './frame.ts';
import { expelTimeoutMs } from './limits.ts';
import type { Clock, Link, LinkEvents } from './link.ts';
import type { ToCoordinator, ToWorker } from './messages.ts';
import { Traffic } from './traffic.ts';
import type { WebSocket } from './websocket.ts';

/** Which way a message goes. */
type Way = 'toCoordinator' | 'toWorker';
type Message<To extends Way> = To extends 'toWorker' ? ToWorker : ToCoordinator;
type Opposite<To extends Way> = To extends 'toWorker' ? 'toCoordinator' : 'toWorker';

/** Status codes of RFC 6455, section 7.4.1, with which we close. */
type CloseCode = 1000 | 1003 | 1008 | 1009;

/** What a close without a reason means. */
const codeMeanings: Readonly<Record<number, string>> = {
  1000: 'closed by the other end',
  1001: 'the other end is going away',
  1002: 'the other end saw a breach of the WebSocket protocol',
  1005: 'closed by the other end',
  1006: 'the connection was lost',
  1008: 'the other end saw a breach of a limit',
  1009: 'the other end found a message too long',
};

/** Bytes of a reason that fit into a close frame (RFC 6455, section 5.5). */
const reasonBytes = 123;

/** A WebSocket and the stream below it. */
export interface Connection {
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
}

export class WebSocketLink<Received extends Way> implements Link<Message<Opposite<Received>>> {
  readonly address: string;
  readonly traffic = new Traffic();
  readonly #received: Received;
  readonly #clock: Clock;
  readonly #control: Connection;
  #bulk: Connection | null = null;
  #events: LinkEvents<Message<Received>> | null = null;
  #mostMessageBytes: number;
  /** `ending`: closed or given up here; nothing is sent or told any more but `closed`. */
  #state: 'open' | 'ending' | 'closed' = 'open';
  #reason: string | null = null;
  #waiting: { readonly bytes: number; readonly callback: () => void }[] = [];
  #expulsion = (): void => {};

  /**
   * @param received which messages arrive here
   * @param messageBytes longest control message that is taken at first
   */
  constructor(
    control: Connection,
    options: { address: string; received: Received; messageBytes: number; clock: Clock },
  ) {
    this.address = options.address;
    this.#received = options.received;
    this.#mostMessageBytes = options.messageBytes;
    this.#clock = options.clock;
    this.#control = control;
    control.webSocket.on('message', (data: Buffer, isBinary) => this.#receiveMessage(data, isBinary));
    this.#watch(control, 'control');
  }

  get hasBulk(): boolean {
    return this.#bulk !== null;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether this is the worker's end, the one that masks what it sends (RFC 6455, section 5.1). */
  get #isWorker(): boolean {
    return this.#received === 'toWorker';
  }

  /** Names the owner; to be called in the turn in which the link was made, before anything can arrive. */
  listen(events: LinkEvents<Message<Received>>): void {
    this.#events = events;
  }

  /** Changes the length of the longest control message that is taken. */
  limitMessages(bytes: number): void {
    this.#mostMessageBytes = bytes;
  }

  /** Adds the bulk connection; the owner is told. */
  addBulk(bulk: Connection): void {
    this.#bulk = bulk;
    // The pieces of a message as they came: header and payload, and so without joining them once more.
    bulk.webSocket.binaryType = 'fragments';
    bulk.webSocket.on('message', (pieces: unknown, isBinary) =>
      this.#receiveFrame(pieces as readonly Buffer[], isBinary),
    );
    this.#watch(bulk, 'bulk');
    this.#events?.bulkOpen?.();
  }

  send(message: Message<Opposite<Received>>): void {
    if (this.#state !== 'open') return;
    const bytes = encodeMessage(message);
    this.traffic.countSent('control', [bytes.length], this.#isWorker);
    this.#control.webSocket.send(bytes, () => this.#drained());
  }

  sendFrame(header: FrameHeader, payload: Uint8Array): void {
    if (this.#state !== 'open') return;
    if (this.#bulk === null) throw new Error(`${this.address}: a frame before the bulk connection is open`);
    const { webSocket, socket } = this.#bulk;
    this.traffic.countSent(header.type, [headerBytes, payload.length], this.#isWorker);
    // One message in two fragments, and one call of the system for both: nothing is joined, nothing copied.
    socket.cork();
    webSocket.send(encodeHeader(header, payload.length), { fin: false });
    webSocket.send(payload, { fin: true }, () => this.#drained());
    socket.uncork();
  }

  get bufferedBytes(): number {
    return this.#control.webSocket.bufferedAmount + (this.#bulk?.webSocket.bufferedAmount ?? 0);
  }

  whenBelow(bytes: number, callback: () => void): void {
    if (this.#state === 'closed' || this.bufferedBytes <= bytes) queueMicrotask(callback);
    else this.#waiting.push({ bytes, callback });
  }

  close(reason: string): void {
    this.#end(1000, reason);
  }

  /** Closes the connection to one that breaks the rules, and cuts it soon, whatever it does. */
  expel(code: Exclude<CloseCode, 1000>, reason: string): void {
    if (this.#state === 'closed') return;
    this.#end(code, reason);
    this.#expulsion();
    this.#expulsion = this.#clock.after(expelTimeoutMs, () => this.destroy());
    // What a flood sends stays with who sends it; the package, which would read on, has had its turn by then.
    setImmediate(() => {
      this.#bulk?.socket.pause();
      this.#control.socket.pause();
    });
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'ending';
    this.#reason ??= 'dropped here';
    this.#bulk?.webSocket.terminate();
    this.#control.webSocket.terminate();
  }

  #end(code: CloseCode, reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#reason ??= oneLine(reason);
    this.#closeBoth(code, this.#reason);
  }

  #closeBoth(code: CloseCode, reason: string): void {
    // The bulk connection first: the end of control messages must not overtake the last frames.
    this.#bulk?.webSocket.close(code, cut(reason));
    this.#control.webSocket.close(code, cut(reason));
  }

  #receiveMessage(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return;
    if (!isBinary) {
      this.expel(1003, 'got text, expected a message in msgpack');
    } else if (data.length > this.#mostMessageBytes) {
      const most = this.#mostMessageBytes;
      this.expel(1009, `got a message of ${data.length} bytes, expected at most ${most}`);
    } else {
      const message = decodeMessage(this.#received, data);
      if (typeof message === 'string') {
        this.expel(1008, `got no message: ${message}`);
      } else {
        this.traffic.countReceived('control', [data.length], !this.#isWorker);
        this.#events?.message(message as Message<Received>);
      }
    }
  }

  #receiveFrame(pieces: readonly Buffer[], isBinary: boolean): void {
    if (this.#state !== 'open') return;
    if (!isBinary) {
      this.expel(1003, 'got text, expected a frame');
    } else {
      const frame = frameOf(pieces);
      if (typeof frame === 'string') {
        this.expel(1008, `got no frame: ${frame}`);
      } else {
        const lengths = pieces.map(({ length }) => length);
        this.traffic.countReceived(frame.type, lengths, !this.#isWorker);
        this.#events?.frame(frame);
      }
    }
  }

  #watch({ webSocket }: Connection, name: string): void {
    webSocket.on('error', (error) => {
      // A breach of the protocol or of a limit: the package has closed this connection already, but not the other one.
      this.expel(1008, `${name} connection: ${error.message}`);
    });
    webSocket.on('close', (code, text) => this.#closed(code, text.toString()));
  }

  /** One of the connections is gone; the other follows, with what is still under way if this one ended in order. */
  #closed(code: number, text: string): void {
    this.#reason ??= oneLine(text) || (codeMeanings[code] ?? `closed with code ${code}`);
    const rest = [this.#bulk, this.#control].filter(
      (one) => one !== null && one.webSocket.readyState !== one.webSocket.CLOSED,
    );
    if (rest.length === 0) this.#tell();
    else if (code === 1006) for (const one of rest) one?.webSocket.terminate();
    else this.#closeBoth(1000, this.#reason);
  }

  #tell(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#expulsion();
    this.#drained();
    this.#events?.closed(this.#reason ?? '');
  }

  #drained(): void {
    if (this.#waiting.length === 0) return;
    const buffered = this.#state === 'closed' ? 0 : this.bufferedBytes;
    const due = this.#waiting.filter(({ bytes }) => buffered <= bytes);
    this.#waiting = this.#waiting.filter(({ bytes }) => buffered > bytes);
    for (const { callback } of due) callback();
  }
}

/** A message that came as header and payload, as we send it, needs no joining. */
function frameOf(pieces: readonly Buffer[]): Frame | string {
  const [header, payload] = pieces;
  if (pieces.length === 2 && header.length === headerBytes) return decodeFrame(header, owned(payload));
  return decodeFrame(owned(Buffer.concat(pieces)));
}

/** Bytes of a payload for whoever receives it: aligned, and not a small part of a large buffer that it would keep alive. */
function owned(bytes: Uint8Array): Uint8Array {
  const isWhole = bytes.byteOffset % 8 === 0 && bytes.buffer.byteLength <= 2 * bytes.length;
  return isWhole ? bytes : new Uint8Array(bytes);
}

/** As many whole characters as fit into a close frame. */
function cut(reason: string): Buffer {
  let text = reason;
  while (Buffer.byteLength(text) > reasonBytes) text = text.slice(0, -1);
  return Buffer.from(text.toWellFormed());
}
