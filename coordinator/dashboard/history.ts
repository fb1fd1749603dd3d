/**
 * What the curves show, however long a run is: a bounded number of points. When there are too many, neighbours become
 * one, so that old and new steps are always shown equally fine. Pure.
 */
import type { EpochReport, StepReport } from '../reports.ts';
import type { EpochPoint, StepPoint } from './feed.ts';

export const mostPoints = 2_000;
export const mostEpochs = 500;

/** Some consecutive steps, summed up. */
interface Bunch {
  steps: number;
  /** The last one. */
  step: number;
  /** On the clock of the training, at its end. */
  endSeconds: number;
  seconds: number;
  samples: number;
  lossSum: number;
  /** Samples that were predicted right. */
  right: number;
  lossMin: number;
  lossMax: number;
}

export class StepHistory {
  /** Raised when points became fewer, so that whoever has seen some must see them all again. */
  layout = 0;
  /** Steps so far, and seconds of training. */
  count = 0;
  seconds: number;
  readonly #stepsOfEpoch: number;
  readonly #most: number;
  readonly #bunches: Bunch[] = [];
  /** Steps of a point; of the last one, at most. */
  #stride = 1;

  /**
   * @param seconds what the training took before the first of these steps
   * @param most points, an even number
   */
  constructor(stepsOfEpoch: number, seconds = 0, most = mostPoints) {
    this.#stepsOfEpoch = stepsOfEpoch;
    this.#most = most;
    this.seconds = seconds;
  }

  get length(): number {
    return this.#bunches.length;
  }

  add({ step, samples, seconds, loss, accuracy }: StepReport): void {
    this.seconds += seconds;
    this.count += 1;
    const one: Bunch = {
      steps: 1,
      step,
      endSeconds: this.seconds,
      seconds,
      samples,
      lossSum: loss * samples,
      right: Math.round(accuracy * samples),
      lossMin: loss,
      lossMax: loss,
    };
    const last = this.#bunches.at(-1);
    if (last !== undefined && last.steps < this.#stride) {
      join(last, one);
      return;
    }
    if (this.#bunches.length === this.#most) this.#thin();
    this.#bunches.push(one);
  }

  /** The points from one on. */
  points(from = 0): StepPoint[] {
    return this.#bunches.slice(from).map((bunch) => this.#pointOf(bunch));
  }

  #thin(): void {
    const bunches = this.#bunches.splice(0);
    for (let i = 0; i < bunches.length; i += 2) {
      join(bunches[i], bunches[i + 1]);
      this.#bunches.push(bunches[i]);
    }
    this.#stride *= 2;
    this.layout += 1;
  }

  #pointOf({
    steps,
    step,
    endSeconds,
    seconds,
    samples,
    lossSum,
    right,
    lossMin,
    lossMax,
  }: Bunch): StepPoint {
    return {
      step,
      epoch: rounded(step / this.#stepsOfEpoch, 9),
      seconds: rounded(endSeconds, 9),
      // Of one step to the bit, as the log has them; an average has no more digits than a loss.
      loss: steps === 1 ? lossMin : rounded(lossSum / samples, 9),
      lossMin,
      lossMax,
      accuracy: steps === 1 ? right / samples : rounded(right / samples, 9),
      samplesPerSecond: perSecond(samples, seconds),
    };
  }
}

/** Adds the bunch that follows. */
function join(into: Bunch, next: Bunch): void {
  into.steps += next.steps;
  into.step = next.step;
  into.endSeconds = next.endSeconds;
  into.seconds += next.seconds;
  into.samples += next.samples;
  into.lossSum += next.lossSum;
  into.right += next.right;
  into.lossMin = Math.min(into.lossMin, next.lossMin);
  into.lossMax = Math.max(into.lossMax, next.lossMax);
}

export class EpochHistory {
  /** Raised when many were left out at once. */
  layout = 0;
  /** Epochs so far, kept or not. */
  count = 0;
  readonly #most: number;
  /** Each with its number from 0. One of so many is kept, and the last. */
  #kept: { readonly index: number; readonly point: EpochPoint }[] = [];
  #stride = 1;

  constructor(most = mostEpochs) {
    this.#most = most;
  }

  /** @param seconds on the clock of the steps */
  add(report: EpochReport, seconds: number): void {
    const last = this.#kept.at(-1);
    if (last !== undefined && last.index % this.#stride !== 0) this.#kept.pop();
    this.#kept.push({ index: this.count, point: epochPoint(report, seconds) });
    this.count += 1;
    if (this.#kept.length <= this.#most) return;
    this.#stride *= 2;
    this.#kept = this.#kept.filter(({ index }) => index % this.#stride === 0 || index === this.count - 1);
    this.layout += 1;
  }

  /** Of those from a number on that are kept. */
  points(from = 0): EpochPoint[] {
    return this.#kept.filter(({ index }) => index >= from).map(({ point }) => point);
  }
}

function epochPoint(report: EpochReport, seconds: number): EpochPoint {
  const { epoch, steps, loss, testLoss, testAccuracy, samplesPerSecond } = report;
  const speed = Number.isFinite(samplesPerSecond) ? Math.round(samplesPerSecond) : 0;
  return {
    epoch,
    step: steps,
    seconds: rounded(seconds, 9),
    loss,
    testLoss,
    testAccuracy,
    samplesPerSecond: speed,
  };
}

function perSecond(samples: number, seconds: number): number {
  return seconds > 0 ? Math.round(samples / seconds) : 0;
}

function rounded(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}
