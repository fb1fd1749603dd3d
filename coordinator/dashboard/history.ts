/**
 * What the curves show, however long a run is: a bounded number of points. When there are too many, neighbours become
 * one, so that old and new steps are always shown equally fine. Pure.
 */
import type { EpochReport, StepReport } from '../reports.ts';
import type { EpochPoint, StepPoint } from './feed.ts';

export const mostPoints = 2_000;
export const mostEpochs = 500;
/** A speed is that of so many seconds of training: what a clock says of one short step means nothing. */
export const speedSeconds = 0.5;

/** What of a step the curves show. */
export type StepFacts = Pick<StepReport, 'step' | 'samples' | 'loss' | 'accuracy' | 'seconds'>;

/** Some consecutive steps, summed up. */
interface Bunch {
  steps: number;
  /** The last one. */
  step: number;
  /** On the clock of the training at its end, and the samples of all steps until then. */
  endSeconds: number;
  endSamples: number;
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
  #samples = 0;
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

  /** Takes the next step; an accuracy of NaN is none. */
  add({ step, samples, seconds, loss, accuracy }: StepFacts): void {
    this.seconds += seconds;
    this.#samples += samples;
    this.count += 1;
    const one: Bunch = {
      steps: 1,
      step,
      endSeconds: this.seconds,
      endSamples: this.#samples,
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
    return this.#bunches.slice(from).map((bunch, i) => this.#pointOf(bunch, this.#speedAt(from + i)));
  }

  /** Samples a second of this point, and of as many before it as make up the time. */
  #speedAt(index: number): number {
    const { endSeconds, endSamples } = this.#bunches[index];
    let first = index;
    const secondsFrom = (one: Bunch): number => endSeconds - (one.endSeconds - one.seconds);
    while (first > 0 && secondsFrom(this.#bunches[first]) < speedSeconds) first--;
    const from = this.#bunches[first];
    return perSecond(endSamples - (from.endSamples - from.samples), secondsFrom(from));
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

  #pointOf(bunch: Bunch, samplesPerSecond: number): StepPoint {
    const { steps, step, endSeconds, samples, lossSum, right, lossMin, lossMax } = bunch;
    return {
      step,
      epoch: rounded(step / this.#stepsOfEpoch, 9),
      seconds: rounded(endSeconds, 9),
      // Of one step to the bit, as the log has them; an average has no more digits than a loss.
      loss: steps === 1 ? lossMin : rounded(lossSum / samples, 9),
      lossMin,
      lossMax,
      accuracy: Number.isNaN(right) ? null : steps === 1 ? right / samples : rounded(right / samples, 9),
      samplesPerSecond,
    };
  }
}

/** Adds the bunch that follows. */
function join(into: Bunch, next: Bunch): void {
  into.steps += next.steps;
  into.step = next.step;
  into.endSeconds = next.endSeconds;
  into.endSamples = next.endSamples;
  into.seconds += next.seconds;
  into.samples += next.samples;
  into.lossSum += next.lossSum;
  into.right += next.right;
  into.lossMin = Math.min(into.lossMin, next.lossMin);
  into.lossMax = Math.max(into.lossMax, next.lossMax);
}

export class EpochHistory {
  /** Raised when many were left out at once, or moved. */
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

  /** Puts those that are kept where they belong on another clock. @param secondsAt after a step, null to leave it */
  retime(secondsAt: (step: number) => number | null): void {
    this.#kept = this.#kept.map(({ index, point }) => {
      const seconds = secondsAt(point.step);
      return { index, point: seconds === null ? point : { ...point, seconds: rounded(seconds, 9) } };
    });
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
