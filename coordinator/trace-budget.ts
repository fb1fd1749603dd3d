/** How much a trace takes of something: some at once, then so much a second for a minute, and ever less. */

const slowerAfterSeconds = 60;

/** So bytes grow by the logarithm of time only. */
export class TraceBudget {
  readonly #startMs = performance.now();
  readonly #burstBytes: number;
  readonly #bytesPerSecond: number;
  #spent = 0;

  constructor(burstBytes: number, bytesPerSecond: number) {
    this.#burstBytes = burstBytes;
    this.#bytesPerSecond = bytesPerSecond;
  }

  get hasRoom(): boolean {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const allowed = this.#bytesPerSecond * slowerAfterSeconds * Math.log1p(seconds / slowerAfterSeconds);
    return this.#spent < this.#burstBytes + allowed;
  }

  spend(bytes: number): void {
    this.#spent += bytes;
  }
}
