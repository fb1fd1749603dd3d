/**
 * What a run does, as a trace: a process for each worker with its threads and the phases of their steps; one for the run
 * with its epochs, evaluations, checkpoints, and what the coordinator does. All times are those of `performance.now`.
 */
import type { LockstepError } from '../shared/errors.ts';
import type { WatchRate } from '../shared/step-listeners.ts';
import type { CoordinatorTimeline, StepTimeline, WorkerTimeline } from '../shared/timeline.ts';
import type { CheckpointWriting } from './checkpoints.ts';
import type { Period, StepReport } from './reports.ts';
import { TraceBudget } from './trace-budget.ts';
import { type TraceArguments, TraceFile } from './trace-file.ts';

/** Steps that a trace wants: the first ones, then so many a second. */
export const traceRate: WatchRate = { perSecond: 10, burst: 16 };

/** Steps take 55 MiB in a day; all else, which is little unless somebody floods it, 4 MiB. */
const stepBytes = [2 ** 20, 2 ** 17] as const;
const otherBytes = [2 ** 19, 2 ** 13] as const;

/** A worker of which so many recorded steps have nothing is forgotten; one that comes back then is another process. */
const forgetAfter = 64;

const run = 1;
const tracks = {
  run: { pid: run, tid: 1 },
  checkpoints: { pid: run, tid: 2 },
  coordinator: { pid: run, tid: 3 },
} as const;
/** Exchanges with workers have tracks from there on. */
const firstExchangeTrack = 10;

interface TracedWorker {
  readonly pid: number;
  readonly name: string;
  /** When the last step of each thread ended. */
  readonly endsMs: number[];
  hasExchanges: boolean;
  /** Steps recorded until it was last in one. */
  lastRecorded: number;
}

export class RunTrace {
  readonly #file: TraceFile;
  readonly #workers = new Map<string, TracedWorker>();
  readonly #onExit = () => this.close();
  readonly #stepBudget = new TraceBudget(...stepBytes);
  readonly #otherBudget = new TraceBudget(...otherBytes);
  #processes = 1;
  #recorded = 0;
  /** What there was no room for, and how much of that is not told of yet. */
  #leftOut = 0;
  #untold = 0;
  #hasCoordinator = false;

  /**
   * @param rate of the steps that it will be told of
   * @throws LockstepError (OUTPUT) when the file cannot be opened
   */
  constructor(
    path: string,
    name: string,
    { perSecond, burst }: WatchRate,
    alarm: (error: LockstepError) => void,
    mostBytes?: number,
  ) {
    this.#file = new TraceFile(path, alarm, mostBytes);
    const first = burst > 1 ? `the first ${burst}, then ` : '';
    this.#file.process(
      run,
      name,
      `steps that are recorded: ${first}at most ${perSecond} a second, after a minute ever fewer`,
    );
    this.#file.thread(tracks.run, 'run');
    this.#file.thread(tracks.checkpoints, 'checkpoints');
    this.#file.write();
    // Also of a process that ends at once.
    process.once('exit', this.#onExit);
  }

  get failed(): boolean {
    return this.#file.failed;
  }

  /** Takes a step that was timed. */
  step({ step, workers, coordinator }: StepTimeline): void {
    this.#within(this.#stepBudget, () => {
      this.#recorded += 1;
      for (const worker of workers) this.#workerStep(step, worker);
      if (coordinator !== undefined) this.#coordinatorStep(step, coordinator);
      for (const [id, { lastRecorded }] of this.#workers) {
        if (lastRecorded < this.#recorded - forgetAfter) this.#workers.delete(id);
      }
    });
  }

  /** Takes how the loss is now. */
  steps(reports: readonly StepReport[]): void {
    const last = reports.at(-1);
    if (last === undefined) return;
    this.#within(this.#stepBudget, () =>
      this.#file.counter(tracks.run, 'loss', performance.now(), last.loss),
    );
  }

  period({ kind, epoch, fromMs, toMs }: Period): void {
    const name = kind === 'training' ? `epoch ${epoch}` : kind;
    this.#other(() => this.#file.complete(tracks.run, name, fromMs, toMs, { epoch }));
  }

  checkpoint({ fromMs, toMs, ...facts }: CheckpointWriting): void {
    const name = `checkpoint of step ${facts.step}`;
    this.#other(() => this.#file.complete(tracks.checkpoints, name, fromMs, toMs, facts));
  }

  /** Something that happened, by its name. */
  event(event: string, facts: object): void {
    this.#other(() => this.#file.instant(tracks.run, event, performance.now(), plain(facts)));
  }

  /** Ends the file; safe to call again. */
  close(): void {
    process.off('exit', this.#onExit);
    this.#file.instant(tracks.run, 'end', performance.now(), {
      stepsRecorded: this.#recorded,
      ...(this.#leftOut > 0 && { leftOut: this.#leftOut }),
    });
    this.#file.close();
  }

  /** Adds what is no step, or counts it. */
  #other(add: () => void): void {
    const isAdded = this.#within(this.#otherBudget, () => {
      if (this.#untold > 0) {
        this.#file.instant(tracks.run, 'left out', performance.now(), { count: this.#untold });
        this.#untold = 0;
      }
      add();
    });
    if (isAdded) return;
    this.#untold += 1;
    this.#leftOut += 1;
  }

  /** Adds something where there is room for it. */
  #within(budget: TraceBudget, add: () => void): boolean {
    if (!budget.hasRoom) return false;
    const before = this.#file.bytes;
    add();
    this.#file.write();
    budget.spend(this.#file.bytes - before);
    return true;
  }

  #workerStep(step: number, timeline: WorkerTimeline): void {
    const worker = this.#workerOf(timeline);
    // The clock of a worker elsewhere is known to a millisecond or so; its steps must not overlap for that.
    const early = timeline.threads.map(
      ([first], rank) => worker.endsMs[rank] - (timeline.startMs + first.from),
    );
    const startMs = timeline.startMs + Math.max(0, ...early);
    const args = { step };
    for (const [rank, segments] of timeline.threads.entries()) {
      const track = { pid: worker.pid, tid: rank + 1 };
      const [first, last] = [segments[0], segments[segments.length - 1]];
      this.#file.complete(track, `step ${step}`, startMs + first.from, startMs + last.to, args);
      for (const { phase, from, to } of segments) {
        this.#file.complete(track, phase, startMs + from, startMs + to, args);
      }
      worker.endsMs[rank] = startMs + last.to;
    }
  }

  #workerOf({ id, name, threads }: WorkerTimeline): TracedWorker {
    let worker = this.#workers.get(id);
    if (worker === undefined) {
      this.#processes += 1;
      worker = { pid: this.#processes, name, endsMs: [], hasExchanges: false, lastRecorded: 0 };
      this.#workers.set(id, worker);
      this.#file.process(worker.pid, name);
    }
    worker.lastRecorded = this.#recorded;
    while (worker.endsMs.length < threads.length) {
      const rank = worker.endsMs.push(0) - 1;
      this.#file.thread({ pid: worker.pid, tid: rank + 1 }, `thread ${rank}`);
    }
    return worker;
  }

  #coordinatorStep(step: number, { startMs, ms, segments, messages }: CoordinatorTimeline): void {
    if (!this.#hasCoordinator) this.#file.thread(tracks.coordinator, 'coordinator');
    this.#hasCoordinator = true;
    this.#file.complete(tracks.coordinator, `step ${step}`, startMs, startMs + ms, { step });
    for (const { phase, from, to } of segments) {
      this.#file.complete(tracks.coordinator, phase, startMs + from, startMs + to, { step });
    }
    const byWorker = new Map<string, (typeof messages)[number][]>();
    for (const message of messages) {
      const own = byWorker.get(message.worker);
      if (own === undefined) byWorker.set(message.worker, [message]);
      else own.push(message);
    }
    for (const [id, own] of byWorker) {
      const worker = this.#workers.get(id);
      if (worker !== undefined) this.#exchanges(step, startMs, worker, own);
    }
  }

  /** From a total that went to a worker, or the step's beginning, to the last of its partials. */
  #exchanges(
    step: number,
    startMs: number,
    worker: TracedWorker,
    messages: CoordinatorTimeline['messages'],
  ): void {
    const track = { pid: run, tid: firstExchangeTrack + worker.pid };
    if (!worker.hasExchanges) this.#file.thread(track, `exchanges with ${worker.name}`);
    worker.hasExchanges = true;
    let sinceMs = startMs;
    let up = 0;
    for (const [i, { kind, exchange, bytes, at }] of messages.entries()) {
      if (kind === 'total') {
        sinceMs = startMs + at;
        up = 0;
        continue;
      }
      up += bytes;
      if (messages[i + 1]?.kind === 'partial') continue;
      const down = messages[i + 1]?.bytes ?? 0;
      const args = { step, exchange, bytesUp: up, bytesDown: down };
      this.#file.complete(track, `exchange ${exchange}`, sinceMs, startMs + at, args);
    }
  }
}

/** What of some facts is a plain value. */
function plain(facts: object): TraceArguments {
  const isPlain = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value);
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => isPlain(value)));
}
