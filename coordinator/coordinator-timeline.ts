/** What the coordinator does in a step with workers, where somebody wants to know. */
import type { CoordinatorTimeline, FleetPhase } from '../shared/timeline.ts';

/** Of a step; what a thousand workers send is not needed to the last. */
const mostParts = 512;
/** Finished steps wait for what workers say of them; only the last few are asked for. */
const mostFinished = 4;

export class CoordinatorTimelines {
  readonly #isDue: (committed: number) => boolean;
  readonly #nowMs: () => number;
  readonly #finished = new Map<number, CoordinatorTimeline>();
  #current: Current | null = null;

  /** @param isDue whether the step after so many is timed */
  constructor(isDue: (committed: number) => boolean, nowMs: () => number) {
    this.#isDue = isDue;
    this.#nowMs = nowMs;
  }

  /** The step after so many begins. */
  begin(committed: number): void {
    const startMs = this.#isDue(committed) ? this.#nowMs() : null;
    this.#current = startMs === null ? null : { committed, startMs, segments: [], messages: [] };
  }

  /** Does something, and notes when. */
  time<Result>(phase: FleetPhase, work: () => Result): Result {
    const current = this.#current;
    if (current === null) return work();
    const from = this.#nowMs() - current.startMs;
    const result = work();
    if (current.segments.length < mostParts) {
      current.segments.push({ phase, from, to: this.#nowMs() - current.startMs });
    }
    return result;
  }

  /** A partial came, or a total was sent. */
  message(kind: 'partial' | 'total', worker: string, exchange: number, bytes: number): void {
    const current = this.#current;
    if (current === null || current.messages.length >= mostParts) return;
    current.messages.push({ kind, worker, exchange, bytes, at: this.#nowMs() - current.startMs });
  }

  /** The step is committed. */
  end(): void {
    const current = this.#current;
    this.#current = null;
    if (current === null) return;
    const { committed, ...timeline } = current;
    this.#finished.set(committed, { ...timeline, ms: this.#nowMs() - current.startMs });
    for (const old of [...this.#finished.keys()].slice(0, -mostFinished)) this.#finished.delete(old);
  }

  /** Of the step after so many, if it was timed. */
  of(committed: number): CoordinatorTimeline | undefined {
    return this.#finished.get(committed);
  }
}

interface Current {
  readonly committed: number;
  readonly startMs: number;
  readonly segments: CoordinatorTimeline['segments'][number][];
  readonly messages: CoordinatorTimeline['messages'][number][];
}
