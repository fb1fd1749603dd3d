import type { Merger } from './merger.ts';

/** Steps whose arrays are kept for reuse. Of a connection that lags further behind, the collector frees them. */
const mostSteps = 4;

/**
 * What merging made in steps that are over: it may be on its way to somebody for a while, and is used again once it is
 * not, because new pages cost as much as merging.
 */
export class RetiredTotals {
  readonly #mergers: readonly Pick<Merger, 'recycle'>[];
  /** By step and exchange. */
  #steps: (readonly Float32Array[])[][] = [];

  /** @param mergers by exchange */
  constructor(mergers: readonly Pick<Merger, 'recycle'>[]) {
    this.#mergers = mergers;
  }

  /** Takes the arrays of a step that is over, by exchange. */
  add(step: (readonly Float32Array[])[]): void {
    this.#steps = [...this.#steps, step].slice(-mostSteps);
  }

  /** Gives all back; to be called when nothing of them is on its way to anybody. */
  recycle(): void {
    for (const step of this.#steps) {
      for (const [exchange, arrays] of step.entries()) {
        for (const array of arrays) this.#mergers[exchange].recycle(array);
      }
    }
    this.#steps = [];
  }
}
