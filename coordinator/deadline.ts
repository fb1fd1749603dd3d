import type { Clock } from '../shared/wire/link.ts';

/** A time by which something must have come, set anew whenever it has. */
export class Deadline {
  readonly #clock: Clock;
  readonly #ms: number;
  #cancel: () => void = () => {};

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Calls `expire` whenever so much time has passed, until it is set again or cancelled. */
  set(expire: () => void): void {
    this.cancel();
    this.#cancel = this.#clock.after(this.#ms, () => {
      this.set(expire);
      expire();
    });
  }

  cancel(): void {
    this.#cancel();
    this.#cancel = () => {};
  }
}
