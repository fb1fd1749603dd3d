/** How long a worker tries: at first until somebody answers, later until it takes part again. */
import { backoffMs } from './backoff.ts';

export class Patience {
  readonly #rejoinMs: number;
  #deadlineMs: number;
  #hasTakenPart = false;
  #hasLost = false;
  /** Sessions in a row that were lost before the worker could take part. */
  #vainSessions = 0;

  /**
   * @param connectMs until the first connection
   * @param rejoinMs from the loss of a session in which it took part, or from the first loss, however many sessions follow
   *   in which it does not
   */
  constructor(nowMs: number, { connectMs, rejoinMs }: { connectMs: number; rejoinMs: number }) {
    this.#deadlineMs = nowMs + connectMs;
    this.#rejoinMs = rejoinMs;
  }

  /** It has a replica now, like all others. */
  tookPart(): void {
    this.#hasTakenPart = true;
    this.#vainSessions = 0;
  }

  /** A session was lost. Returns how long to wait before the next. @param random 0 … 1 */
  lost(nowMs: number, random: number): number {
    const waitMs = this.#hasTakenPart ? 0 : backoffMs(this.#vainSessions++, random);
    if (this.#hasTakenPart || !this.#hasLost) this.#deadlineMs = nowMs + this.#rejoinMs;
    this.#hasTakenPart = false;
    this.#hasLost = true;
    return waitMs;
  }

  /** Milliseconds that are left at a moment; 0 if none are. */
  leftMs(atMs: number): number {
    return Math.max(0, this.#deadlineMs - atMs);
  }
}
