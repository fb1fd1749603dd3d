/** Replicas on their way from the coordinator to a worker: the first one, and one after each `resync`. */
import type { Frame } from '../shared/wire/frame.ts';

/** Where a replica goes; null for a piece that is not due, else whether it is whole. */
export interface ReplicaPlace {
  replicaChunk(step: number, panel: number, bytes: Uint8Array): boolean | null;
}

export class ReplicaIntake {
  readonly #place: ReplicaPlace;
  /** Which replica of the connection is here or on its way, and the piece of it that is due. */
  #number = -1;
  #panel = 0;
  /** The step that a whole replica is before, until it is used. */
  #wholeBefore: number | null = null;
  /** Replicas that were announced beside the first. */
  #announced = 0;

  constructor(place: ReplicaPlace) {
    this.#place = place;
  }

  /** True while a whole replica waits for its announcement. */
  get isWaiting(): boolean {
    return this.#wholeBefore !== null;
  }

  /** Takes a piece; `unwanted` if it is not due, for example because it came twice. */
  take({ lo: number, step, panel, payload }: Frame): 'unwanted' | 'part' | 'whole' {
    const isNext = number === this.#number && panel === this.#panel;
    const isNew = number > this.#number && panel === 0;
    const isWhole = isNext || isNew ? this.#place.replicaChunk(step, panel, payload) : null;
    if (isWhole === null) return 'unwanted';
    this.#number = number;
    this.#panel = panel + 1;
    if (!isWhole) return 'part';
    this.#wholeBefore = step;
    return 'whole';
  }

  /** One more replica is to come. It may be here already: it comes over another connection than this word. */
  announce(): void {
    this.#announced += 1;
  }

  /**
   * Hands a replica out to be used, as the step that it is before, or null if there is none. It may be used once all that
   * was asked for before it is known to be void, which the announcement says.
   */
  use(): number | null {
    if (this.#number > this.#announced) return null;
    const step = this.#wholeBefore;
    this.#wholeBefore = null;
    return step;
  }
}
