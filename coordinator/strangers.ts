/** Sockets that have not shown the token. They get little time, and there are never many. */
import type { Socket } from 'node:net';
import { headersTimeoutMs, mostStrangers } from '../shared/wire/limits.ts';
import type { Clock } from '../shared/wire/link.ts';

export class Strangers {
  readonly #clock: Clock;
  readonly #note: (socket: Socket, why: string) => void;
  /** In the order in which they came, each with what takes its deadline back. */
  readonly #known = new Map<Socket, () => void>();

  /** @param note is told of a socket that is being cut */
  constructor(clock: Clock, note: (socket: Socket, why: string) => void) {
    this.#clock = clock;
    this.#note = note;
  }

  /**
   * Takes a new socket in. If there are too many, the oldest one goes: refusing newcomers would let an attacker who
   * keeps all places keep everybody out, while an honest worker needs its place for a moment only.
   */
  add(socket: Socket): void {
    this.#known.set(
      socket,
      this.#clock.after(headersTimeoutMs, () =>
        this.#remove(socket, `no request with the token within ${headersTimeoutMs} ms`),
      ),
    );
    socket.once('close', () => this.release(socket));
    if (this.#known.size <= mostStrangers) return;
    const [oldest] = this.#known.keys();
    this.#remove(oldest, `the oldest of more than ${mostStrangers} connections without the token`);
  }

  /** Forgets one that has shown the token or is gone. */
  release(socket: Socket): void {
    this.#known.get(socket)?.();
    this.#known.delete(socket);
  }

  /** Cuts all of them, without a word: nobody is refused. */
  clear(): void {
    for (const socket of this.#known.keys()) {
      this.release(socket);
      socket.destroy();
    }
  }

  #remove(socket: Socket, why: string): void {
    this.#note(socket, why);
    this.release(socket);
    socket.destroy();
  }
}
