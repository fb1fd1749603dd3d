/** Steps by the clock: as many at a time as the time that is left has room for, as fast as they were last. */

/** Steps, and the seconds that they took. */
export interface Taken {
  readonly steps: number;
  readonly seconds: number;
}

export class Pace {
  #stepSeconds = Number.POSITIVE_INFINITY;

  /**
   * Takes steps until they took so many seconds, at least one.
   * @param take takes at most so many steps, at least one
   */
  async run(seconds: number, take: (wanted: number) => Promise<Taken>): Promise<Taken> {
    let steps = 0;
    let elapsed = 0;
    do {
      const taken = await take(Math.max(1, Math.ceil((seconds - elapsed) / this.#stepSeconds)));
      this.#stepSeconds = taken.seconds / taken.steps;
      steps += taken.steps;
      elapsed += taken.seconds;
    } while (elapsed < seconds);
    return { steps, seconds: elapsed };
  }
}
