/**
 * What a run does, as a trace: a process for each worker with its threads and the phases of their steps; one for the run
 * with its epochs, evaluations, checkpoints, and what the coordinator does. All times are those of `performance.now`.
 */
import type { LockstepError } from '../shared/errors.ts';
import type { WatchRate } from '../shared/step-listeners.ts';
import type { CoordinatorTimeline, StepTimeline, WorkerTimeline } from '../shared/timeline.ts';
import type { CheckpointWriting } from './checkpoints.ts';
import type { Period, StepReport } from './reports.ts';
import { type TraceArguments, TraceFile } from './trace-file.ts';

/** Steps that a trace wants: the first ones, then so many a second. */
export const traceRate: WatchRate = { perSecond: 10, burst: 16 };

/**
 * Bytes of steps: some at once; then so many a second for a minute, and ever fewer, so that the file is the larger
 * the longer the run by the logarithm only: 55 MiB in a day.
 */
const burstBytes = 2 ** 20;
const bytesPerSecond = 2 ** 17;
const slowerAfterSeconds = 60;

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
}

export class RunTrace {
  readonly #file: TraceFile;
  readonly #startMs = performance.now();
  readonly #workers = new Map<string, TracedWorker>();
  readonly #onExit = () => this.close();
  #stepBytes = 0;
  #recorded = 0;
  #hasCoordinator = false;

  /** @throws LockstepError (OUTPUT) when the file cannot be opened */
  constructor(path: string, name: string, alarm: (error: LockstepError) => void, mostBytes?: number) {
    this.#file = new TraceFile(path, alarm, mostBytes);
    const { perSecond, burst } = traceRate;
    this.#file.process(
      run,
      name,
      `steps that are recorded: the first ${burst}, then at most ${perSecond} a second, after a minute ever fewer`,
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
    if (!this.#hasRoom()) return;
    const before = this.#file.bytes;
    this.#recorded += 1;
    for (const worker of workers) this.#workerStep(step, worker);
    if (coordinator !== undefined) this.#coordinatorStep(step, coordinator);
    this.#file.write();
    this.#stepBytes += this.#file.bytes - before;
  }

  /** Takes how the loss is now. */
  steps(reports: readonly StepReport[]): void {
    const last = reports.at(-1);
    if (last === undefined || !this.#hasRoom()) return;
    const before = this.#file.bytes;
    this.#file.counter(tracks.run, 'loss', performance.now(), last.loss);
    this.#file.write();
    this.#stepBytes += this.#file.bytes - before;
  }

  period({ kind, epoch, fromMs, toMs }: Period): void {
    this.#file.complete(tracks.run, kind === 'training' ? `epoch ${epoch}` : kind, fromMs, toMs, { epoch });
    this.#file.write();
  }

  checkpoint({ fromMs, toMs, ...facts }: CheckpointWriting): void {
    const name = `checkpoint of step ${facts.step}`;
    this.#file.complete(tracks.checkpoints, name, fromMs, toMs, facts);
    this.#file.write();
  }

  /** Something that happened, by its name. */
  event(event: string, facts: object): void {
    this.#file.instant(tracks.run, event, performance.now(), plain(facts));
    this.#file.write();
  }

  /** Ends the file; safe to call again. */
  close(): void {
    process.off('exit', this.#onExit);
    this.#file.instant(tracks.run, 'end', performance.now(), { stepsRecorded: this.#recorded });
    this.#file.close();
  }

  #hasRoom(): boolean {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const allowed = bytesPerSecond * slowerAfterSeconds * Math.log1p(seconds / slowerAfterSeconds);
    return this.#stepBytes < burstBytes + allowed;
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
      worker = { pid: run + 1 + this.#workers.size, name, endsMs: [], hasExchanges: false };
      this.#workers.set(id, worker);
      this.#file.process(worker.pid, name);
    }
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
    for (const [id, worker] of this.#workers) {
      const own = messages.filter((message) => message.worker === id);
      this.#exchanges(step, startMs, worker, own);
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
