/**
 * Writes to a terminal without ever waiting for it. Node's own stream blocks the whole process while a terminal takes
 * nothing, stopped by ^S or at the far end of a dead connection: training would stand still, and a coordinator lose all
 * its workers.
 */
import { constants, openSync, writeSync } from 'node:fs';
import { codeOf } from '../../coordinator/durable-file.ts';

/** What it has not taken is tried again this often, and so much of it is kept; lines beyond that are lost. */
const retryMs = 50;
const mostPendingBytes = 2 ** 20;

export class TerminalWriter {
  readonly #fd: number;
  #pending: Buffer = Buffer.alloc(0);
  #retry: NodeJS.Timeout | null = null;

  /** @param fd open for writing without blocking; it stays open */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** For the terminal behind a stream, opened once more; null where that cannot be done. */
  static behind(stream: object): TerminalWriter | null {
    const fd: unknown = Reflect.get(stream, 'fd');
    if (typeof fd !== 'number' || process.platform !== 'linux') return null;
    try {
      const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
      return new TerminalWriter(openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY));
    } catch {
      return null; // the terminal of another container or user, which only the stream can reach
    }
  }

  /** True while the terminal takes nothing. */
  get isHeldUp(): boolean {
    return this.#pending.length > 0;
  }

  /** Writes a text after all that was written before, now or when the terminal takes it. The process lives until then. */
  write(text: string): void {
    if (this.#pending.length > mostPendingBytes) return;
    this.#pending = Buffer.concat([this.#pending, Buffer.from(text)]);
    if (this.#retry === null) this.#flush();
  }

  #flush(): void {
    this.#retry = null;
    try {
      while (this.#pending.length > 0) {
        this.#pending = this.#pending.subarray(writeSync(this.#fd, this.#pending));
      }
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') this.#retry = setTimeout(() => this.#flush(), retryMs);
      else this.#pending = Buffer.alloc(0); // nobody is there any more to look
    }
  }
}
