/**
 * Collects what happens in a run and tells it to readers. While there are none it adds points to the history and does
 * nothing else: nothing is computed, copied or timed.
 */
import { LockstepError } from '../../shared/errors.ts';
import { type Clock, systemClock } from '../../shared/wire/link.ts';
import type { Evaluation } from '../evaluation.ts';
import type { LiveRun } from '../live-run.ts';
import type { Run } from '../prepare.ts';
import type { EpochReport, StepReport } from '../reports.ts';
import { StepTimes } from '../step-times.ts';
import { Chronicle, type Told } from './chronicle.ts';
import { Examples } from './examples.ts';
import { factsOf } from './facts.ts';
import type { EndModel, FeedMessage } from './feed.ts';
import { readPast } from './past.ts';
import { Present } from './present.ts';
import { type Reader, readerBytes } from './reader.ts';

/** Readers are told something this often, running statistics less so. */
export const tellMs = 1_000;
export const batchNormMs = 4_000;
export const mostReaders = 16;
/** A run that goes on waits so long for its curves to be read again, and the rest is read beside its steps. */
export const recallMs = 1_000;
/** Of a run with fewer epochs each is an event. */
const mostEpochEvents = 20;

export type Ending = Extract<FeedMessage, { type: 'over' }>;

/** A run that is being watched. */
interface Watched {
  readonly run: Run;
  readonly live: LiveRun;
  readonly chronicle: Chronicle;
  readonly present: Present;
}

/** What a reader knows. */
interface Known {
  told: Told | null;
  batchNorm: Line | null;
  timeline: Line | null;
}

interface News {
  readonly parts: readonly Uint8Array[];
  readonly told: Told;
}

/** A message as it is sent. */
interface Line {
  readonly message: FeedMessage;
  readonly bytes: Uint8Array;
}

export class Dashboard {
  readonly stepTimes = new StepTimes();
  /** Samples trained on here. */
  samples = 0;
  /** The last that was reported. */
  lastStep: StepReport | null = null;
  readonly #clock: Clock;
  readonly #wallMs: () => number;
  readonly #readers = new Map<Reader, Known>();
  #watched: Watched | null = null;
  #examples: Examples | null = null;
  #lastEpoch: EpochReport | null = null;
  #batchNorm: (Line & { readonly atMs: number }) | null = null;
  #timeline: Line | null = null;
  #ending: Ending | null = null;
  #hadReaders = false;
  #stopTelling: (() => void) | null = null;

  constructor(clock: Clock = systemClock, wallMs: () => number = Date.now) {
    this.#clock = clock;
    this.#wallMs = wallMs;
  }

  // what the run tells

  start(run: Run, live: LiveRun, recipeName: string): void {
    const epochs = run.from?.epochs ?? [];
    this.#watched = {
      run,
      live,
      chronicle: new Chronicle({ facts: factsOf(run, recipeName), stepsOfEpoch: run.steps, epochs }),
      present: new Present(run, live),
    };
    this.#lastEpoch = epochs.at(-1) ?? null;
    const all = run.recipe.epochs * run.steps;
    this.event(
      run.committed === 0
        ? `the run begins: ${grouped(all)} steps`
        : `goes on after step ${grouped(run.committed)} of ${grouped(all)}`,
    );
  }

  /**
   * Puts what a run that goes on did before in front of its curves; after `start`, and before the first step. Comes back
   * after a second at most.
   * @param log of the run
   */
  async recall(log: string): Promise<void> {
    const { run, chronicle } = this.#running;
    chronicle.hold();
    let isHurried = true;
    const isWanted = () => this.#ending === null;
    const reading = readPast(log, { run, isWanted, isHurried: () => isHurried, clock: this.#clock }).then(
      (past) => chronicle.recall(past),
      (error: unknown) => {
        chronicle.recall(null);
        if (!(error instanceof LockstepError)) throw error;
        this.event('what was before is not shown: the log of the run cannot be read');
      },
    );
    let stop = (): void => {};
    const late = new Promise<void>((resolve) => {
      stop = this.#clock.after(recallMs, resolve);
    });
    await Promise.race([reading, late]);
    stop();
    isHurried = false;
  }

  steps(reports: readonly StepReport[]): void {
    const { chronicle, present } = this.#running;
    chronicle.steps(reports);
    for (const { samples, seconds } of reports) {
      this.samples += samples;
      this.stepTimes.add(seconds);
    }
    this.lastStep = reports.at(-1) ?? this.lastStep;
    present.trained(this.#clock.nowMs(), this.samples);
  }

  epoch(report: EpochReport): void {
    this.#lastEpoch = report;
    const { run, chronicle } = this.#running;
    chronicle.epoch(report);
    if (run.recipe.epochs > mostEpochEvents) return;
    this.event(`epoch ${report.epoch} is done: test accuracy ${(100 * report.testAccuracy).toFixed(2)} %`);
  }

  /** An evaluation has just been made, whose predictions are still in the memory. */
  evaluation({ confusion }: Evaluation, step: number): void {
    const { run, chronicle } = this.#running;
    chronicle.evaluation(confusion, step);
    this.#examples = new Examples(run, step);
  }

  /** Something happened to a worker or the run; before the run is there, nobody is told. */
  event(text: string): void {
    const watched = this.#watched;
    watched?.chronicle.event(watched.live.committed(), this.#wallMs(), text);
  }

  waitFor(text: string | null): void {
    this.#watched?.present.waitFor(text);
  }

  /** The run is over; the answers end, and so do those to readers that still come. */
  end(how: Ending['how'], reason: string, model?: EndModel): void {
    if (this.#ending !== null) return;
    this.#ending = { type: 'over', how, reason, ...(model && { model }) };
    this.#hadReaders = this.#readers.size > 0;
    this.#watched?.chronicle.recall(null);
    this.#rest();
    for (const [reader, known] of this.#readers) reader.end(() => this.#lastWords(known));
    this.#readers.clear();
  }

  // what others ask

  get live(): LiveRun | null {
    return this.#watched?.live ?? null;
  }

  get examples(): Examples | null {
    return this.#examples;
  }

  get lastEpoch(): EpochReport | null {
    return this.#lastEpoch;
  }

  /** Samples over the last seconds. */
  get perSecond(): number {
    return this.#watched?.present.perSecond(this.#clock.nowMs()) ?? 0;
  }

  /** True if somebody looked when the run came to its end. */
  get hadReaders(): boolean {
    return this.#hadReaders;
  }

  /** True while it trains or evaluates. */
  get isBusy(): boolean {
    const activity = this.#ending === null ? this.live?.activity() : undefined;
    return activity === 'training' || activity === 'evaluating';
  }

  /** True while somebody may join: there is a run, and not too many look at it. */
  get hasRoom(): boolean {
    return this.#watched !== null && this.#readers.size < mostReaders;
  }

  /** Tells a reader everything, and from then on what is new, until it leaves. */
  join(reader: Reader): void {
    const known: Known = { told: null, batchNorm: null, timeline: null };
    if (this.#ending !== null) {
      reader.end(() => this.#lastWords(known));
      return;
    }
    this.#readers.set(reader, known);
    this.#running.present.watch(this.#clock.nowMs());
    this.#stopTelling ??= this.#clock.after(tellMs, () => this.#tellAll());
    this.#tell([[reader, known]]);
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size === 0) this.#rest();
  }

  #rest(): void {
    this.#stopTelling?.();
    this.#stopTelling = null;
    this.#batchNorm = null;
    this.#timeline = null;
    this.#watched?.present.unwatch();
  }

  #tellAll(): void {
    this.#stopTelling = this.#clock.after(tellMs, () => this.#tellAll());
    this.#tell([...this.#readers].filter(([reader]) => reader.isFree));
  }

  #tell(readers: readonly (readonly [Reader, Known])[]): void {
    if (readers.length === 0) return;
    const now = lineOf(this.#now());
    const lines = { batchNorm: this.#freshBatchNorm(), timeline: this.#freshTimeline() };
    /** Readers that know the same are told the same. */
    const news = new Map<Told | null, News>();
    for (const [reader, known] of readers) {
      const own = news.get(known.told) ?? this.#newsFor(known.told);
      news.set(known.told, own);
      known.told = own.told;
      const parts = [...own.parts, now];
      let room = readerBytes - parts.reduce((sum, { length }) => sum + length, 0);
      for (const kind of ['batchNorm', 'timeline'] as const) {
        const line = lines[kind];
        if (line === null || line === known[kind] || line.bytes.length > room) continue;
        room -= line.bytes.length;
        known[kind] = line;
        parts.push(line.bytes);
      }
      reader.send(parts);
    }
  }

  #newsFor(told: Told | null): News {
    const { messages, told: now } = this.#running.chronicle.news(told);
    return { parts: messages.map(lineOf), told: now };
  }

  #now(): FeedMessage {
    return this.#running.present.now(this.#clock.nowMs(), this.stepTimes.sum);
  }

  #freshBatchNorm(): Line | null {
    const atMs = this.#clock.nowMs();
    const last = this.#batchNorm;
    if (last !== null && atMs - last.atMs < batchNormMs) return last;
    const message = this.#running.present.batchNorm();
    // Where it could not be looked at, the next telling tries again.
    if (message !== null) this.#batchNorm = { atMs, message, bytes: lineOf(message) };
    return this.#batchNorm;
  }

  #freshTimeline(): Line | null {
    const message = this.#running.present.timeline();
    if (message === null || message === this.#timeline?.message) return this.#timeline;
    this.#timeline = { message, bytes: lineOf(message) };
    return this.#timeline;
  }

  #lastWords({ told }: Known): Uint8Array[] {
    const last = this.#ending === null ? [] : [this.#ending];
    return [...this.#newsFor(told).parts, ...[this.#now(), ...last].map(lineOf)];
  }

  get #running(): Watched {
    if (this.#watched === null) throw new Error('the run has not begun');
    return this.#watched;
  }
}

/** `1,234,567`. */
function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function lineOf(message: FeedMessage): Uint8Array {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}
