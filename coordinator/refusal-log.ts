/** Lines about those who were refused; a flood of them becomes one line a second that counts. */
import { mostRefusalLines } from '../shared/wire/limits.ts';
import type { Clock } from '../shared/wire/link.ts';

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: (line: string) => void;
  #written = 0;
  #left = 0;
  /** Ends the second that began with the first line. */
  #stop: (() => void) | null = null;

  constructor(clock: Clock, log: (line: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  write(line: string): void {
    this.#stop ??= this.#clock.after(1_000, () => this.flush());
    if (this.#written++ < mostRefusalLines) this.#log(line);
    else this.#left++;
  }

  /** Says how many lines were left out, and begins anew. */
  flush(): void {
    this.#stop?.();
    this.#stop = null;
    if (this.#left > 0) this.#log(`${this.#left} more refused within a second`);
    this.#written = 0;
    this.#left = 0;
  }
}
