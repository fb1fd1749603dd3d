import type { Clock } from '../shared/wire/link.ts';

export interface EnoughWorkersHost {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Too few are there, and from now on they are waited for. */
  waiting(workers: number, needed: number): void;
  /** The wait is over. */
  enough(workers: number): void;
  /** It took too long. */
  failed(reason: string): void;
}

/** Waits for workers, but not for ever. */
export class EnoughWorkers {
  readonly #host: EnoughWorkersHost;
  /** Workers and how many of them are needed, as was said last. */
  #last = { workers: 0, needed: 0 };
  #cancel: (() => void) | null = null;

  constructor(host: EnoughWorkersHost) {
    this.#host = host;
  }

  /** True while it waits. */
  get isWaiting(): boolean {
    return this.#cancel !== null;
  }

  /** Returns whether there are enough; if not, they are waited for until it says that there are. */
  check(workers: number, needed: number): boolean {
    this.#last = { workers, needed };
    if (workers >= needed) {
      if (this.#cancel !== null) this.#host.enough(workers);
      this.stop();
      return true;
    }
    if (this.#cancel === null) {
      const { clock, timeoutMs } = this.#host;
      this.#host.waiting(workers, needed);
      this.#cancel = clock.after(timeoutMs, () => this.#giveUp());
    }
    return false;
  }

  /** Waits no more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #giveUp(): void {
    const { workers, needed } = this.#last;
    this.#host.failed(
      `waited ${this.#host.timeoutMs / 1000} s for workers: ${workers} of ${needed} are there; ` +
        'start more of them, or wait longer with --worker-timeout',
    );
  }
}
