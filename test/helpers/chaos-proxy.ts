/** A way to the coordinator on which everything happens that happens to TCP: late, in pieces, slow, cut, half-open. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { bulkPath } from '../../shared/wire/credentials.ts';
import { randomNumbers } from './reference/random-data.ts';

/** What happens to the bytes of one connection that go one way. */
export interface Treatment {
  /** Each piece waits for up to so long; their order stays. */
  readonly delayMs?: number;
  /** Passed on in pieces of 1 to so many bytes. */
  readonly pieceBytes?: number;
  readonly bytesPerSecond?: number;
  /** Both ends see a reset (RST) after so many bytes. */
  readonly resetAfterBytes?: number;
}

export interface Way {
  readonly kind: 'control' | 'bulk';
  readonly to: 'coordinator' | 'worker';
  /** Connections of this kind that came before. */
  readonly index: number;
}

export interface ProxyOptions {
  /** Where the coordinator listens on this machine. */
  readonly port: number;
  readonly seed: number;
  /** Random numbers are from 0 up to 1. */
  readonly treat?: (way: Way, random: () => number) => Treatment;
  /** So many of the first control connections arrive twice. */
  readonly duplicates?: number;
}

/** That what was asked for really happened. */
export interface ProxyCounts {
  connections: number;
  pieces: number;
  resets: number;
  duplicates: number;
  bytesSwallowed: number;
}

export class ChaosProxy {
  readonly counts: ProxyCounts = {
    connections: 0,
    pieces: 0,
    resets: 0,
    duplicates: 0,
    bytesSwallowed: 0,
  };
  readonly #options: ProxyOptions;
  readonly #random: () => number;
  readonly #listener: Server;
  readonly #passages = new Set<Passage>();
  readonly #kinds = { control: 0, bulk: 0 };

  private constructor(options: ProxyOptions) {
    this.#options = options;
    const signed = randomNumbers(options.seed);
    this.#random = () => (signed() + 1) / 2;
    this.#listener = createServer({ allowHalfOpen: true }, (worker) => this.#meet(worker));
  }

  static async open(options: ProxyOptions): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(options);
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Connections that are open. */
  get passages(): readonly Passage[] {
    return [...this.#passages];
  }

  async close(): Promise<void> {
    for (const passage of this.#passages) passage.reset();
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #meet(worker: Socket): void {
    this.counts.connections += 1;
    const passage = new Passage(worker, this.#options.port, this.counts, (start) => {
      const kind = start.startsWith(`GET ${bulkPath}`) ? 'bulk' : 'control';
      passage.kind = kind;
      const index = this.#kinds[kind]++;
      if (kind === 'control' && index < (this.#options.duplicates ?? 0)) passage.duplicate();
      const treat = (to: Way['to']) => this.#options.treat?.({ kind, to, index }, this.#random) ?? {};
      return { toCoordinator: treat('coordinator'), toWorker: treat('worker'), random: this.#random };
    });
    this.#passages.add(passage);
    void passage.closed.then(() => this.#passages.delete(passage));
  }
}

interface Plan {
  readonly toCoordinator: Treatment;
  readonly toWorker: Treatment;
  readonly random: () => number;
}

/** One connection of a worker, and the one to the coordinator that belongs to it. */
export class Passage {
  readonly closed: Promise<unknown>;
  /** Known from the first bytes. */
  kind: Way['kind'] | null = null;
  /** Bytes for the coordinator that had to wait. */
  bytesHeld = 0;
  readonly #worker: Socket;
  readonly #port: number;
  readonly #coordinator: Socket;
  readonly #counts: ProxyCounts;
  /** A second connection to the coordinator that gets what the first gets. */
  #shadow: Socket | null = null;
  #isStalled = false;
  #release: () => void = () => {};
  #held: Promise<void> | null = null;

  /** @param plan says what is to happen, from the first bytes of the worker */
  constructor(worker: Socket, port: number, counts: ProxyCounts, plan: (start: string) => Plan) {
    this.#worker = worker;
    this.#port = port;
    this.#counts = counts;
    this.#coordinator = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [worker, this.#coordinator]) {
      socket.setNoDelay(true);
      socket.on('error', () => {}); // it is closed then, and the other end with it
    }
    this.closed = Promise.all([worker, this.#coordinator].map((socket) => once(socket, 'close')));
    worker.once('data', (start: Buffer) => {
      worker.pause();
      worker.unshift(start);
      const { toCoordinator, toWorker, random } = plan(start.toString('latin1'));
      void this.#pipe(worker, this.#coordinator, toCoordinator, random);
      void this.#pipe(this.#coordinator, worker, toWorker, random);
    });
  }

  /** Both ends see a reset. */
  reset(): void {
    this.#release();
    this.resetWorker();
    if (!this.#coordinator.destroyed) this.#coordinator.resetAndDestroy();
    this.#shadow?.destroy();
  }

  /** The worker alone sees a reset; its end of the connection to the coordinator stays. */
  resetWorker(): void {
    if (!this.#worker.destroyed) this.#worker.resetAndDestroy();
  }

  /** Nothing passes any more, and nobody is told: the connection is half-open on both sides. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Keeps what comes for the coordinator, until it is released. */
  hold(): void {
    this.#held ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#held = null;
    this.#release();
  }

  duplicate(): void {
    this.#counts.duplicates += 1;
    this.#shadow = connect({ port: this.#port, host: '127.0.0.1' });
    this.#shadow.on('error', () => {});
    this.#shadow.resume(); // what is answered goes nowhere
  }

  async #pipe(from: Socket, to: Socket, treatment: Treatment, random: () => number): Promise<void> {
    let passed = 0;
    const most = treatment.resetAfterBytes ?? Number.POSITIVE_INFINITY;
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        for (const piece of this.#pieces(chunk, treatment, random)) {
          if (this.#held !== null && to === this.#coordinator) {
            this.bytesHeld += piece.length;
            await this.#held;
          }
          if (this.#isStalled) {
            this.#counts.bytesSwallowed += piece.length;
            continue;
          }
          await wait(treatment, piece, random);
          this.#counts.pieces += 1;
          await written(to, piece.subarray(0, most - passed));
          if (to === this.#coordinator) this.#shadow?.write(piece);
          passed += piece.length;
          if (passed < most) continue;
          this.#counts.resets += 1;
          this.reset();
          return;
        }
      }
      if (!this.#isStalled) to.end();
    } catch {
      // The end that is read from was cut. Who holds or stalls a connection keeps that from the other end.
      if (this.#held === null && !this.#isStalled) to.destroy();
    }
  }

  *#pieces(chunk: Buffer, { pieceBytes, bytesPerSecond }: Treatment, random: () => number) {
    const most = Math.min(
      pieceBytes ?? Number.POSITIVE_INFINITY,
      Math.ceil((bytesPerSecond ?? Number.POSITIVE_INFINITY) / 100),
    );
    for (let from = 0; from < chunk.length; ) {
      const bytes = Number.isFinite(most) ? 1 + Math.floor(random() * (most - 1)) : chunk.length;
      yield chunk.subarray(from, from + bytes);
      from += bytes;
    }
  }
}

async function wait(
  { delayMs, bytesPerSecond }: Treatment,
  piece: Buffer,
  random: () => number,
): Promise<void> {
  const ms =
    (delayMs === undefined ? 0 : random() * delayMs) +
    (bytesPerSecond === undefined ? 0 : (1000 * piece.length) / bytesPerSecond);
  if (ms > 0) await setTimeout(ms);
  else await setImmediate(); // else the other end would read several pieces at once
}

/** Returns when the system has the bytes, so that each piece is a write of its own. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}
