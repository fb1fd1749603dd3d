import { heartbeatMs, silenceMs } from './limits.ts';
import type { Clock } from './link.ts';

export interface HeartbeatEvents {
  /** It is time to say something. */
  beat(): void;
  /** The other end has been silent for so long that it counts as gone. Told once. */
  silent(ms: number): void;
}

/** Both ends of a connection say regularly that they are there, and notice when the other does not. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #events: HeartbeatEvents;
  #heardMs: number;
  #beatMs: number;
  #cancel: () => void;

  constructor(clock: Clock, events: HeartbeatEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#heardMs = clock.nowMs();
    this.#beatMs = this.#heardMs;
    this.#cancel = clock.after(heartbeatMs, () => this.#tick());
  }

  /** Something came from the other end. */
  heard(): void {
    this.#heardMs = this.#clock.nowMs();
  }

  /** Since something came from the other end. */
  get silentMs(): number {
    return this.#clock.nowMs() - this.#heardMs;
  }

  stop(): void {
    this.#cancel();
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    // Who was held up itself (a sleeping laptop, SIGSTOP) accuses nobody of the time it lost: what the other end sent
    // meanwhile has still to be read.
    const lostMs = Math.max(0, nowMs - this.#beatMs - heartbeatMs);
    this.#heardMs = Math.min(nowMs, this.#heardMs + lostMs);
    this.#beatMs = nowMs;
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= silenceMs) {
      this.#events.silent(silentMs);
      return;
    }
    this.#events.beat();
    this.#cancel = this.#clock.after(heartbeatMs, () => this.#tick());
  }
}
