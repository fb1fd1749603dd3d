/** What a run has done so far: of each step and epoch what is reported, and the sums that later reports need. */
import { nextDigest } from './chain.ts';
import type { Run } from './prepare.ts';
import type { EpochReport, StepReport, TestResult } from './reports.ts';

/**
 * Of an epoch's steps: average losses, samples predicted right, the seconds they took, and the checksums of what they
 * wrote.
 */
export interface StepResults {
  readonly losses: Float32Array;
  readonly correct: Float32Array;
  readonly seconds: Float64Array;
  readonly checksums: BigUint64Array;
}

export class Ledger {
  /** Of epochs that are done, in order. */
  readonly epochs: EpochReport[];
  /** `num_batches_tracked` of each batch normalisation. */
  readonly counters: Map<string, bigint>;
  /** Sum of loss · samples over the steps of the epoch that are noted, in step order, binary64; 0 between epochs. */
  lossSum: number;
  /** The chain's digest after the last step that is noted. */
  chain: string;
  /** The report of the last step that was noted here. */
  last: StepReport | null = null;
  /** Samples of the steps that were noted here. */
  samples = 0;
  readonly #run: Run;
  /** Steps of the epoch that are noted, and those of them that were when it was begun here. */
  #noted: number;
  #first: number;

  constructor(run: Run) {
    const { from } = run;
    this.#run = run;
    this.epochs = [...(from?.epochs ?? [])];
    this.counters = new Map(run.counters);
    this.lossSum = from?.lossSum ?? 0;
    this.chain = run.chain;
    this.#noted = from?.step ?? 0;
    this.#first = this.#noted;
  }

  /** The epoch after those that are done, from 1. */
  get epoch(): number {
    return this.epochs.length + 1;
  }

  /** Steps of all epochs that are done. */
  get steps(): number {
    return this.epochs.length * this.#run.steps;
  }

  /** Steps of the epoch that were done before this process went on with it. */
  get first(): number {
    return this.#first;
  }

  resetCounters(): void {
    for (const name of this.counters.keys()) this.counters.set(name, 0n);
  }

  /** Notes the steps of the epoch before `end` that are not noted yet, and returns their reports. */
  note(end: number, results: StepResults): StepReport[] {
    const reports: StepReport[] = [];
    for (; this.#noted < end; this.#noted++) {
      const report = this.#report(this.#noted, results);
      this.chain = report.digest;
      this.last = report;
      this.lossSum += report.loss * report.samples;
      this.samples += report.samples;
      for (const [name, count] of this.counters) this.counters.set(name, count + 1n);
      reports.push(report);
    }
    return reports;
  }

  /** The report of a step of the epoch, the first that is not noted. */
  #report(stepOfEpoch: number, { losses, correct, seconds, checksums }: StepResults): StepReport {
    const step = this.steps + stepOfEpoch + 1;
    const samples = this.#samplesUntil(stepOfEpoch + 1) - this.#samplesUntil(stepOfEpoch);
    return {
      epoch: this.epoch,
      step,
      samples,
      loss: losses[stepOfEpoch],
      accuracy: correct[stepOfEpoch] / samples,
      seconds: seconds[stepOfEpoch],
      digest: nextDigest(this.chain, step, checksums[stepOfEpoch]),
    };
  }

  /** Notes that the epoch is done. */
  endEpoch(test: TestResult, seconds: number): EpochReport {
    const samples = this.#samplesUntil(this.#run.steps);
    const loss = this.lossSum / samples;
    const before = this.epochs.at(-1);
    const report: EpochReport = {
      epoch: this.epoch,
      steps: this.steps + this.#run.steps,
      loss,
      change: before === undefined ? null : loss - before.loss,
      testLoss: test.loss,
      testAccuracy: test.accuracy,
      seconds,
      samplesPerSecond: (samples - this.#samplesUntil(this.#first)) / seconds,
    };
    this.epochs.push(report);
    this.lossSum = 0;
    this.#noted = 0;
    this.#first = 0;
    return report;
  }

  #samplesUntil(step: number): number {
    return Math.min(step * this.#run.recipe.batchSize, this.#run.samples.length);
  }
}
