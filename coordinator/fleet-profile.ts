/** Where the coordinator's time goes in steps with workers. */

import type { FleetPhase } from '../shared/timeline.ts';

export class FleetProfile {
  /** Since it was made. */
  readonly seconds: Readonly<Record<FleetPhase, number>>;
  readonly #seconds = { merging: 0, sending: 0, update: 0 };
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.seconds = this.#seconds;
  }

  /** Does something and adds the time that it took. */
  time<Result>(phase: FleetPhase, work: () => Result): Result {
    const startMs = this.#nowMs();
    const result = work();
    this.#seconds[phase] += (this.#nowMs() - startMs) / 1000;
    return result;
  }
}
