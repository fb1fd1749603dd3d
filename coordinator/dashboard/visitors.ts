/** Connections to the page. There are never many: whoever keeps places without using them loses them to who comes. */
import type { Socket } from 'node:net';
import { remoteAddress } from '../../shared/wire/address.ts';

export const mostConnections = 64;

export class Visitors {
  /** By the other end's address, under TLS too; who asked for something last is last. */
  readonly #sockets = new Map<string, Socket>();
  /** Those that read the stream, which keep their places. */
  readonly #readers = new Set<string>();

  get size(): number {
    return this.#sockets.size;
  }

  /** A connection has come, or is now what goes over one that had come. */
  add(socket: Socket): void {
    const address = remoteAddress(socket);
    if (address === '?') {
      socket.destroy(); // it is gone already
      return;
    }
    this.#sockets.set(address, socket);
    socket.once('close', () => {
      if (this.#sockets.get(address) === socket) this.#sockets.delete(address);
    });
    if (this.#sockets.size <= mostConnections) return;
    const oldest = [...this.#sockets.keys()].find((one) => !this.#readers.has(one));
    if (oldest !== undefined) this.#sockets.get(oldest)?.destroy();
  }

  /** It asks for something. */
  refresh(socket: Socket): void {
    const address = remoteAddress(socket);
    if (this.#sockets.delete(address)) this.#sockets.set(address, socket);
  }

  /** It reads the stream, until its connection closes. */
  keep(socket: Socket): void {
    const address = remoteAddress(socket);
    this.#readers.add(address);
    socket.once('close', () => this.#readers.delete(address));
  }

  /** Cuts all that are left. */
  clear(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}
