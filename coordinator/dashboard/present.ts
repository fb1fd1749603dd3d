/** What is true of a run just now, as the page is told: position, speed, workers, running statistics, timelines. */
import { unpackTensor } from '../../shared/model/tensors.ts';
import type { StepTimeline } from '../../shared/timeline.ts';
import type { LiveRun, WorkerNow } from '../live-run.ts';
import type { Run } from '../prepare.ts';
import { Rates } from '../rates.ts';
import type { BatchNormPoint, FeedMessage, WorkerPoint } from './feed.ts';

/** Of more workers than that, those are told that take part. */
export const mostWorkers = 256;
export const mostTimelines = 8;
/** Bytes of their JSON, and columns of all layers together; more of them are left out. */
export const timelineBytes = 192 * 1024;
export const mostColumns = 8_192;
/** For so long after watching began, workers are as fast as they were on average. */
const warmUpMs = 2_000;
/** The time left is told from so much of the past: evaluations and checkpoints lie within, what was long ago does not. */
const paceMs = 60_000;

const whole = 'run';

export class Present {
  readonly #run: Run;
  readonly #live: LiveRun;
  readonly #rates = new Rates();
  readonly #workerRates = new Rates();
  readonly #pace = new Rates(paceMs);
  readonly #samplesOfShard: number;
  /** Each with the bytes that it takes. */
  readonly #timelines: { readonly steps: StepTimeline; readonly bytes: number }[] = [];
  /** Until there is another step. */
  #timelineMessage: FeedMessage | null = null;
  #waitingFor: string | null = null;
  #watchedSinceMs: number | null = null;
  #unwatch = (): void => {};

  constructor(run: Run, live: LiveRun) {
    this.#run = run;
    this.#live = live;
    this.#samplesOfShard =
      Math.min(run.steps * run.recipe.batchSize, run.samples.length) / shardsOfEpoch(run);
  }

  /** What is waited for, in words. */
  waitFor(text: string | null): void {
    this.#waitingFor = text;
    this.#pace.forget([]); // the time until they come is none of the training's
  }

  /** Samples were trained on, so many in all. */
  trained(nowMs: number, samples: number): void {
    this.#rates.observe(whole, nowMs, samples);
    this.#pace.observe(whole, nowMs, samples);
  }

  perSecond(nowMs: number): number {
    return Math.round(this.#rates.perSecond(whole, nowMs));
  }

  /** Somebody is looking: from now on things are measured that are not otherwise. */
  watch(nowMs: number): void {
    if (this.#watchedSinceMs !== null) return;
    this.#watchedSinceMs = nowMs;
    this.#unwatch = this.#live.watchSteps((timeline) => {
      const text = JSON.stringify(timeline, toMicroseconds);
      this.#timelines.push({ steps: JSON.parse(text) as StepTimeline, bytes: Buffer.byteLength(text) });
      if (this.#timelines.length > mostTimelines) this.#timelines.shift();
      this.#timelineMessage = null;
    });
  }

  /** Nobody is looking any more. */
  unwatch(): void {
    this.#watchedSinceMs = null;
    this.#unwatch();
    this.#unwatch = () => {};
    this.#timelines.length = 0;
    this.#timelineMessage = null;
    this.#workerRates.forget([]);
  }

  /** @param seconds of the steps that were done here */
  now(nowMs: number, seconds: number): FeedMessage {
    const { epoch, step: stepOfEpoch, loss } = this.#live.position();
    const activity = this.#live.activity();
    const step = this.#live.committed();
    return {
      type: 'now',
      activity,
      waitingFor: activity === 'waiting' ? this.#waitingFor : null,
      epoch,
      stepOfEpoch,
      step,
      loss,
      samplesPerSecond: this.perSecond(nowMs),
      secondsLeft: activity === 'waiting' ? null : this.#secondsLeft(nowMs, step),
      workers: this.#workers(nowMs, seconds),
    };
  }

  /** At the pace of the last minute; null where there is none yet. */
  #secondsLeft(nowMs: number, step: number): number | null {
    const { steps, recipe, samples } = this.#run;
    const perSecond = this.#pace.perSecond(whole, nowMs);
    if (perSecond === 0) return null;
    const left =
      (recipe.epochs * steps - step) * (Math.min(steps * recipe.batchSize, samples.length) / steps);
    return Math.round((10 * left) / perSecond) / 10;
  }

  /** Without layers where the model has none; null where the replica cannot be looked at just now. */
  batchNorm(): FeedMessage | null {
    let room = mostColumns;
    const tensors = this.#run.architecture.tensors.filter(({ role, shape }) => {
      if (role !== 'runningMean') return false;
      room -= shape[0];
      return room >= 0;
    });
    if (tensors.length === 0) return { type: 'batchNorm', step: this.#live.committed(), layers: [] };
    const now = this.#live.flat();
    if (now === null) return null;
    const { steps, flat } = now;
    const values = (layer: number, role: 'runningMean' | 'runningVariance'): number[] => {
      const tensor = this.#run.architecture.tensors.find((one) => one.layer === layer && one.role === role);
      return tensor === undefined ? [] : Array.from(unpackTensor(flat, tensor), shortened);
    };
    const layers = tensors.map(
      ({ layer }): BatchNormPoint => ({
        layer: String(layer),
        mean: values(layer, 'runningMean'),
        variance: values(layer, 'runningVariance'),
      }),
    );
    return { type: 'batchNorm', step: steps, layers };
  }

  /** The last that fit, the same object until there is another; null before the first. */
  timeline(): FeedMessage | null {
    this.#timelineMessage ??= this.#lastTimelines();
    return this.#timelineMessage;
  }

  #lastTimelines(): FeedMessage | null {
    let room = timelineBytes;
    const tooMany = this.#timelines.findLastIndex(({ bytes }) => {
      room -= bytes;
      return room < 0;
    });
    const steps = this.#timelines.slice(tooMany + 1).map(({ steps }) => steps);
    return steps.length === 0 ? null : { type: 'timeline', steps };
  }

  #workers(nowMs: number, seconds: number): WorkerPoint[] {
    const isNew = nowMs - (this.#watchedSinceMs ?? nowMs) < warmUpMs;
    const workers = this.#live.workers().slice(0, mostWorkers);
    this.#workerRates.forget(workers.map(({ id }) => id));
    return workers.map(({ seconds: _, ...worker }) => {
      const samples = worker.shards * this.#samplesOfShard;
      this.#workerRates.observe(worker.id, nowMs, samples);
      const measured = this.#workerRates.perSecond(worker.id, nowMs);
      const average = isNew && isAtWork(worker) && seconds > 0 ? samples / seconds : 0;
      return { ...worker, samplesPerSecond: Math.round(measured || average) };
    });
  }
}

function isAtWork({ state }: Pick<WorkerNow, 'state'>): boolean {
  return state === 'working';
}

function shardsOfEpoch({ steps, samples, recipe }: Run): number {
  const shards = (count: number) => Math.ceil(count / recipe.shardSize);
  const full = Math.floor(samples.length / recipe.batchSize);
  return full * shards(recipe.batchSize) + (steps > full ? shards(samples.length % recipe.batchSize) : 0);
}

/** Enough digits to draw. */
function shortened(value: number): number {
  return Number(value.toPrecision(6));
}

/** Nobody sees more of a time in milliseconds, and half of a timeline would be its digits. */
function toMicroseconds(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(1000 * value) / 1000 : value;
}
