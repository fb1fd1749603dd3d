/** The curve of a run, thinned: steps that come close together become one point. */
import type { StepReport } from '../../coordinator/reports.ts';

/** Some consecutive steps. */
export interface Point {
  /** The last of them. */
  readonly step: number;
  /** Averages over their samples. */
  readonly loss: number;
  readonly accuracy: number;
  readonly samplesPerSecond: number;
}

export class Curve {
  readonly #nowMs: () => number;
  readonly #pointMs: number;
  #lastMs: number;
  #pending = { step: 0, samples: 0, loss: 0, correct: 0, seconds: 0 };

  /** @param pointMs a point comes so long after the one before it, and takes all steps between them */
  constructor(nowMs: () => number, pointMs: number) {
    this.#nowMs = nowMs;
    this.#pointMs = pointMs;
    this.#lastMs = nowMs();
  }

  /** Takes steps in order; returns the point that they complete, or null. */
  add(reports: readonly StepReport[]): Point | null {
    for (const { step, samples, loss, accuracy, seconds } of reports) {
      const { samples: before, loss: sum, correct, seconds: spent } = this.#pending;
      this.#pending = {
        step,
        samples: before + samples,
        loss: sum + loss * samples,
        correct: correct + accuracy * samples,
        seconds: spent + seconds,
      };
    }
    return this.#nowMs() - this.#lastMs >= this.#pointMs ? this.take() : null;
  }

  /** The steps since the last point as one, though it is not due; null if there are none. */
  take(): Point | null {
    const { step, samples, loss, correct, seconds } = this.#pending;
    if (samples === 0) return null;
    this.#lastMs = this.#nowMs();
    this.#pending = { step: 0, samples: 0, loss: 0, correct: 0, seconds: 0 };
    return {
      step,
      loss: loss / samples,
      accuracy: correct / samples,
      samplesPerSecond: samples / seconds,
    };
  }
}
