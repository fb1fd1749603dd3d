/** An open door on loopback, workers that come through it, and sockets that speak to it byte by byte. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Test } from 'tap';
import { type Door, type DoorOptions, openDoor } from '../../coordinator/door.ts';
import type { Frame, FrameHeader } from '../../shared/wire/frame.ts';
import type { ArrivingLink, LinkEvents, WorkerLink } from '../../shared/wire/link.ts';
import type { Hello, ToCoordinator, ToWorker } from '../../shared/wire/messages.ts';
import { type ConnectOptions, connect } from '../../worker/connect.ts';

export const token = 'a-token-for-the-tests';

/** Keeps what the owner of a link is told, and waits for more of it. */
export class Told<Received> implements LinkEvents<Received> {
  readonly messages: Received[] = [];
  readonly frames: Frame[] = [];
  hasBulk = false;
  closings: string[] = [];
  #waiting: (() => void)[] = [];

  message(message: Received): void {
    this.messages.push(message);
    this.#happened();
  }

  frame(frame: Frame): void {
    this.frames.push(frame);
    this.#happened();
  }

  bulkOpen(): void {
    this.hasBulk = true;
    this.#happened();
  }

  closed(reason: string): void {
    this.closings.push(reason);
    this.#happened();
  }

  /** Waits until something is so. */
  async until(isSo: (told: this) => boolean): Promise<void> {
    while (!isSo(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Waits for the end, and returns its reason. */
  async end(): Promise<string> {
    await this.until(({ closings }) => closings.length > 0);
    return this.closings[0];
  }

  #happened(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export interface Arrived {
  readonly link: ArrivingLink;
  readonly told: Told<ToCoordinator>;
}

export interface TestDoor extends Door {
  readonly url: string;
  readonly lines: readonly string[];
  readonly arrivals: readonly Arrived[];
  /** The worker that came as number so-and-so, waited for. */
  arrival(number: number): Promise<Arrived>;
}

/** Opens a door on a free port of loopback, which the test closes at its end. */
export async function testDoor(t: Test, options: Partial<DoorOptions> = {}): Promise<TestDoor> {
  const lines: string[] = [];
  const arrivals: Arrived[] = [];
  const door = await openDoor({
    listen: { host: '127.0.0.1', port: 0 },
    token,
    tls: null,
    log: (line) => lines.push(line),
    onWorker: (link) => {
      const told = new Told<ToCoordinator>();
      arrivals.push({ link, told });
      return told;
    },
    ...options,
  });
  t.teardown(() => door.close('the test is over'));
  return {
    ...door,
    url: `${(options.tls ?? null) === null ? 'ws' : 'wss'}://127.0.0.1:${door.port}`,
    lines,
    arrivals,
    arrival: async (number) => {
      await soon(() => arrivals.length > number);
      return arrivals[number];
    },
  };
}

/** Waits until something that no event tells of is so; the test's own time limit ends it. */
export async function soon(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export const hello: Hello = {
  type: 'hello',
  protocol: 1,
  arithmetic: 1,
  version: '0.1.0',
  answer: '0'.repeat(64),
  workerId: '1'.repeat(32),
  name: 'mara',
  threads: 1,
  kernels: 'wasm',
};

export const frameHeader: FrameHeader = {
  type: 'partial',
  run: 1,
  step: 2,
  exchange: 3,
  lo: 4,
  hi: 5,
  panel: 6,
  microseconds: 7,
};

/** How a worker connects to a test's door, if nothing else is said. */
export function toConnect(door: { url: string }, events: LinkEvents<ToWorker>): ConnectOptions {
  return { url: door.url, token, fingerprint: null, timeoutMs: 30_000, events };
}

/** Largest payload of a frame between the ends of `linked`. */
export const payloadBytes = 1_000_000;

/** Both ends of a link after the hello, with its bulk connection. */
export async function linked(t: Test, door?: TestDoor, options: Partial<ConnectOptions> = {}) {
  const opened = door ?? (await testDoor(t));
  const number = opened.arrivals.length;
  const toldWorker = new Told<ToWorker>();
  const worker: WorkerLink = await connect({ ...toConnect(opened, toldWorker), ...options });
  t.teardown(() => worker.destroy());
  worker.send(hello);
  const { link, told } = await opened.arrival(number);
  await told.until(({ messages }) => messages.length === 1);
  link.expectBulk(payloadBytes);
  await worker.openBulk(link.ticket, payloadBytes);
  await told.until(({ hasBulk }) => hasBulk);
  return { door: opened, coordinator: link, toldCoordinator: told, worker, toldWorker };
}

/** More than the system keeps for a connection that nobody reads. */
export const mostBuffered = 64 * 2 ** 20;

/** A socket that a test writes bytes to, with all that came back. */
export class RawSocket {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  isClosed = false;

  constructor(t: Test, port: number, options: { allowHalfOpen?: boolean } = {}) {
    this.socket = connectTcp({ ...options, port, host: '127.0.0.1' });
    this.socket.on('data', (data) => {
      this.received = Buffer.concat([this.received, data]);
    });
    this.socket.on('error', () => {}); // being cut is what tests wait for
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    t.teardown(() => this.socket.destroy());
  }

  async connected(): Promise<this> {
    if (this.socket.connecting) await once(this.socket, 'connect');
    return this;
  }

  write(data: string | Uint8Array): this {
    this.socket.write(data);
    return this;
  }

  /** Writes until the other end has taken nothing for a while, or more than buffers hold; returns the bytes taken. */
  async flood(): Promise<number> {
    const { socket } = this;
    const piece = Buffer.alloc(2 ** 20, 1);
    const taken = () => socket.bytesWritten - socket.writableLength;
    let last = -1;
    for (let still = 0; still < 50 && taken() < mostBuffered && socket.writable; ) {
      if (socket.writableLength === 0) socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 1));
      still = taken() === last ? still + 1 : 0;
      last = taken();
    }
    return taken();
  }

  async closed(): Promise<string> {
    if (!this.isClosed) await new Promise((resolve) => this.socket.once('close', resolve));
    return this.received.toString('latin1');
  }
}

/** The lines of an upgrade request that a door lets in; null leaves a header out. */
export function upgradeRequest(path: string, headers: Record<string, string | null> = {}): string {
  const all = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
    Authorization: `Bearer ${token}`,
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}\r\n`],
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A frame of the WebSocket protocol as a worker sends it, with a mask of zeros (RFC 6455, section 5.2). */
export function webSocketFrame(
  payload: Uint8Array,
  {
    opcode = 2,
    isLast = true,
    length = payload.length,
  }: { opcode?: number; isLast?: boolean; length?: number } = {},
): Buffer {
  const head = Buffer.alloc(14);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** A raw socket whose upgrade was accepted. */
export async function upgraded(t: Test, port: number, path = '/control', headers = {}): Promise<RawSocket> {
  const raw = new RawSocket(t, port).write(upgradeRequest(path, headers));
  await soon(() => raw.received.includes('\r\n\r\n') || raw.isClosed);
  if (!raw.received.toString().startsWith('HTTP/1.1 101 ')) throw new Error(raw.received.toString());
  raw.received = raw.received.subarray(raw.received.indexOf('\r\n\r\n') + 4);
  return raw;
}

/** Code and reason of the close frame that bytes from the door begin with. */
export function closeFrame(bytes: Uint8Array): { code: number; reason: string } | null {
  if (bytes[0] !== 0x88) return null;
  const body = Buffer.from(bytes.subarray(2, 2 + bytes[1]));
  return { code: body.length < 2 ? 1005 : body.readUInt16BE(0), reason: body.subarray(2).toString() };
}
