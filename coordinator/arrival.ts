/** A worker that came with the right token: its link, which has to begin with a hello. */

import { randomBytes } from 'node:crypto';
import { headerBytes } from '../shared/wire/frame.ts';
import { controlBytes, helloBytes, helloTimeoutMs } from '../shared/wire/limits.ts';
import type { ArrivingLink, Clock, LinkEvents } from '../shared/wire/link.ts';
import type { ToCoordinator } from '../shared/wire/messages.ts';
import { type Connection, WebSocketLink } from '../shared/wire/websocket-link.ts';

export class Arrival extends WebSocketLink<'toCoordinator'> implements ArrivingLink {
  readonly ticket = randomBytes(16).toString('hex');
  /** Longest message of the bulk connection; null until it is expected, and after it has come. */
  #bulkBytes: number | null = null;
  readonly #clock: Clock;
  /** Takes the deadline of the hello back, and that of the bulk connection. */
  readonly #helloIsHere: () => void;
  #bulkIsHere = (): void => {};
  readonly #gone: () => void;
  #saidHello = false;

  /** @param gone called when the link is closed and its owner has been told */
  constructor(control: Connection, options: { address: string; clock: Clock; gone: () => void }) {
    super(control, { ...options, received: 'toCoordinator', messageBytes: helloBytes });
    this.#gone = options.gone;
    this.#clock = options.clock;
    this.#helloIsHere = options.clock.after(helloTimeoutMs, () =>
      this.expel(1008, `no hello within ${helloTimeoutMs} ms`),
    );
  }

  /** Names the owner, who is told nothing before the hello but the end. */
  override listen(owner: LinkEvents<ToCoordinator>): void {
    super.listen({
      message: (message) => {
        if (this.#isWelcome(message)) owner.message(message);
      },
      frame: (frame) => owner.frame(frame),
      bulkOpen: () => owner.bulkOpen?.(),
      closed: (reason) => {
        this.#helloIsHere();
        this.#bulkIsHere();
        owner.closed(reason);
        this.#gone();
      },
    });
  }

  #isWelcome({ type }: ToCoordinator): boolean {
    if (this.#saidHello) return true;
    this.#saidHello = type === 'hello';
    if (this.#saidHello) {
      this.#helloIsHere();
      this.limitMessages(controlBytes);
    } else this.expel(1008, `got ${type}, expected a hello first`);
    return this.#saidHello;
  }

  expectBulk(payloadBytes: number): void {
    if (this.hasBulk) return;
    this.#bulkBytes = headerBytes + payloadBytes;
    this.#bulkIsHere();
    this.#bulkIsHere = this.#clock.after(helloTimeoutMs, () =>
      this.expel(1008, `no bulk connection within ${helloTimeoutMs} ms`),
    );
  }

  override addBulk(bulk: Connection): void {
    this.#bulkIsHere();
    super.addBulk(bulk);
  }

  /** Longest message of the bulk connection that may come now; null if none is expected. */
  get expectedBulkBytes(): number | null {
    return this.isOpen && !this.hasBulk ? this.#bulkBytes : null;
  }
}
