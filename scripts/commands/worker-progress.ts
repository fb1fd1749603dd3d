/** Where the run is that a worker works for, and what of it is computed here. */
import { Rates } from '../../coordinator/rates.ts';
import type { Recipe } from '../../shared/recipe/recipe.ts';
import { progressLines, speedFits } from './progress-lines.ts';
import { grouped, type Screen } from './screen.ts';

/** The run that it works for, and the samples and steps of an epoch. */
export interface ShownRun {
  readonly recipe: Recipe;
  readonly samples: number;
  readonly steps: number;
}

/** What was done here of an epoch that is over. */
export interface EpochHere {
  readonly epoch: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Samples computed here, a second. */
  readonly samplesPerSecond: number;
  /** Of its shards, 0 … 1. */
  readonly share: number;
}

export class WorkerProgress {
  readonly #run: ShownRun;
  readonly #rates = new Rates();
  /** Steps that all have done, those before this worker was ready, and when it was. */
  #step = 0;
  #first = 0;
  #readyMs = 0;
  /** Samples of all steps since then, and those of them that were computed here. */
  #all = 0;
  #here = 0;
  /** Shards that it had in the last step. */
  #share = 0;
  /** Of the current epoch. */
  #epoch = { shards: 0, all: 0, sinceMs: 0 };

  constructor(run: ShownRun) {
    this.#run = run;
  }

  /** True once a step was taken since it was ready, until the epoch is over. */
  get isAtWork(): boolean {
    return this.#step > this.#first && this.#step % this.#run.steps !== 0;
  }

  ready(step: number, nowMs: number): void {
    this.#step = step;
    this.#first = step;
    this.#readyMs = nowMs;
    this.#epoch = { shards: 0, all: 0, sinceMs: nowMs };
  }

  /** Takes a step, counted from 0, that all have done, and how many of its shards were computed here. */
  computed(step: number, shards: number, nowMs: number): EpochHere | null {
    const { recipe, steps } = this.#run;
    this.#step = step + 1;
    this.#share = shards;
    this.#here += shards * recipe.shardSize;
    this.#all += batchOf(this.#run, step);
    this.#epoch.shards += shards;
    this.#epoch.all += shardsOf(this.#run, step);
    return this.#step % steps === 0 ? this.#endEpoch(nowMs) : null;
  }

  lines(nowMs: number, columns: number, style: Screen['style']): string[] {
    const { recipe, steps } = this.#run;
    this.#rates.observe('all', nowMs, this.#all);
    this.#rates.observe('here', nowMs, this.#here);
    const whole = recipe.epochs * steps;
    const seconds = (nowMs - this.#readyMs) / 1000;
    const stepsHere = this.#step - this.#first;
    const { epochs } = recipe;
    const title = 'here'.padEnd(`epoch ${epochs}/${epochs}`.length);
    const here = `${title}  ${this.#share} of ${shardsOf(this.#run, this.#step - 1)} shards`;
    return [
      ...progressLines(
        {
          ...{ epochs, steps, step: this.#step % steps, done: this.#step / whole },
          epoch: Math.floor(this.#step / steps) + 1,
          samplesPerSecond: this.#rates.perSecond('all', nowMs),
          secondsLeft: stepsHere === 0 ? null : (seconds / stepsHere) * (whole - this.#step),
          isEvaluating: false,
          loss: null,
          losses: () => [],
        },
        columns,
        style,
      ),
      speedFits(`${here}  ${grouped(this.#rates.perSecond('here', nowMs)).padStart(7)} samples/s`, columns),
    ];
  }

  #endEpoch(nowMs: number): EpochHere {
    const { shards, all, sinceMs } = this.#epoch;
    const seconds = (nowMs - sinceMs) / 1000;
    this.#epoch = { shards: 0, all: 0, sinceMs: nowMs };
    return {
      epoch: this.#step / this.#run.steps,
      epochs: this.#run.recipe.epochs,
      seconds,
      samplesPerSecond: (shards * this.#run.recipe.shardSize) / seconds,
      share: all === 0 ? 0 : shards / all,
    };
  }
}

/** Samples of a step, counted from 0 over all epochs; the last batch of an epoch may be short. */
function batchOf({ recipe: { batchSize }, samples, steps }: ShownRun, step: number): number {
  return Math.min(batchSize, samples - (step % steps) * batchSize);
}

export function shardsOf(run: ShownRun, step: number): number {
  return Math.ceil(batchOf(run, step) / run.recipe.shardSize);
}
