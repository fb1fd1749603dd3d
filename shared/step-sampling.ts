/** Which steps are timed: so many a second at most, the same ones everywhere, so they are chosen by their numbers. */

/** A speed is believed after so long. */
const measureMs = 500;
/** So few steps do not show that they are too many. */
const fewSteps = 16;
/** Steps are never further apart; the numbers of steps have to stay exact. */
const mostEvery = 2 ** 30;

/**
 * The steps to time are those before which a multiple of a power of two was committed: who hears of another power later
 * than others still times some of the same.
 */
export class StepSampling {
  #perSecond: number;
  #every = 1;
  #from: { readonly committed: number; readonly ms: number } | null = null;

  /** @param perSecond so many steps at most, once the speed is known; until then, all of them */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** A power of two. */
  get every(): number {
    return this.#every;
  }

  /** Takes how far the run is; what it chooses follows the speed since the last time. */
  note(committed: number, nowMs: number): void {
    const from = this.#from;
    if (from === null || committed < from.committed) {
      this.#from = { committed, ms: nowMs };
      return;
    }
    const steps = committed - from.committed;
    const ms = nowMs - from.ms;
    if (steps === 0 || (ms < measureMs && steps < fewSteps)) return;
    // Of a few steps, one that is nearly done counts, too.
    const isSure = steps >= fewSteps;
    const wanted = (1000 * (isSure ? steps : steps + 1)) / ms / this.#perSecond;
    const every = wanted <= 1 ? 1 : Math.min(2 ** Math.ceil(Math.log2(wanted)), mostEvery);
    if (every > this.#every && !isSure) return;
    this.#every = every;
    if (ms >= measureMs) this.#from = { committed, ms: nowMs };
  }
}
