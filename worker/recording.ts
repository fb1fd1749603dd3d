/**
 * Timelines of steps in shared memory: a thread writes some steps, the main thread takes them. Each thread has a ring of its
 * own with two counters, of what it wrote and of what was taken; it writes nothing that was not taken yet, and counts what
 * it wrote once that is whole. So nobody waits for anybody, and nothing half written is ever read.
 */
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import {
  type MemoryPlan,
  recordedSegments,
  recordedSteps,
  recordingBytes,
} from '../shared/model/memory-plan.ts';
import { type Phase, phases, type ThreadTimelines, type TimelineSegment } from '../shared/timeline.ts';

/** A phase that is shorter, in milliseconds, counts to the one before it; so does what lies between the parts of a step. */
const leastMs = 0.002;
const leastOtherMs = 0.02;

/** Of a ring: its counters, and where its steps begin. */
const written = 0;
const taken = 1;
const headBytes = 64;
/** Numbers of a step: steps committed before it, count of segments, start; then phase and end of each segment. */
const headNumbers = 3;
const stepNumbers = headNumbers + 2 * recordedSegments;

/** Looks at both clocks; of several looks the quickest says most. */
const looks = 5;

/** Milliseconds by which this thread's clock, which began with the thread, is behind the system's, which all threads share. */
export function systemClockOffsetMs(): number {
  let best = { offsetMs: 0, errorMs: Number.POSITIVE_INFINITY };
  for (let i = 0; i < looks; i++) {
    const before = performance.now();
    const systemMs = Number(process.hrtime.bigint()) / 1e6;
    const errorMs = performance.now() - before;
    if (errorMs < best.errorMs) best = { offsetMs: systemMs - before - errorMs / 2, errorMs };
  }
  return best.offsetMs;
}

interface Ring {
  readonly counters: Int32Array;
  readonly numbers: Float64Array;
}

function ringOf({ buffer }: SharedMemory, { recordings }: MemoryPlan, rank: number): Ring {
  const at = recordings[rank];
  return {
    counters: new Int32Array(buffer, at, headBytes / 4),
    numbers: new Float64Array(buffer, at + headBytes, (recordingBytes - headBytes) / 8),
  };
}

/** The end of a ring at which its thread writes. */
export class RecordingWriter {
  readonly #ring: Ring;
  #at = 0;
  #count = 0;
  #last = -1;

  constructor(memory: SharedMemory, plan: MemoryPlan, rank: number) {
    this.#ring = ringOf(memory, plan, rank);
  }

  /** False while as many steps wait as there is room for. */
  get hasRoom(): boolean {
    const { counters } = this.#ring;
    return ((Atomics.load(counters, written) - Atomics.load(counters, taken)) | 0) < recordedSteps;
  }

  /** Begins a step, which forgets one that was not ended. Only where there is room. */
  begin(committed: number, startMs: number): void {
    const { counters, numbers } = this.#ring;
    this.#at = stepNumbers * ((Atomics.load(counters, written) >>> 0) % recordedSteps);
    this.#count = 0;
    this.#last = -1;
    numbers[this.#at] = committed;
    numbers[this.#at + 2] = startMs;
  }

  /** Adds a phase that begins where the one before it ended. When there is no more room, the last one grows. */
  add(phase: Phase, fromMs: number, toMs: number): void {
    const { numbers } = this.#ring;
    const index = phases.indexOf(phase);
    const isShort = toMs - fromMs < (phase === 'other' ? leastOtherMs : leastMs);
    const isFull = this.#count === recordedSegments;
    if (this.#count === 0 || !(isShort || isFull || index === this.#last)) {
      numbers[this.#at + headNumbers + 2 * this.#count] = index;
      this.#count += 1;
      this.#last = index;
    }
    numbers[this.#at + headNumbers + 2 * this.#count - 1] = toMs;
  }

  /** The step is whole and may be taken. */
  end(): void {
    const { counters, numbers } = this.#ring;
    numbers[this.#at + 1] = this.#count;
    Atomics.add(counters, written, 1);
  }
}

/** A step that all threads recorded. */
export interface Recorded extends ThreadTimelines {
  /** Steps committed before it. */
  readonly committed: number;
}

interface ThreadStep {
  readonly committed: number;
  readonly startMs: number;
  /** Phase and end of each segment, on the clock of the start. */
  readonly numbers: Float64Array;
}

/** The other ends of all rings, at which the main thread takes. */
export class RecordingReader {
  readonly #rings: readonly Ring[];
  readonly #offsetMs = systemClockOffsetMs();
  /** Steps that not all threads have ended, by the steps committed before. */
  readonly #parts = new Map<number, (ThreadStep | undefined)[]>();

  constructor(memory: SharedMemory, plan: MemoryPlan) {
    this.#rings = plan.recordings.map((_, rank) => ringOf(memory, plan, rank));
  }

  /** The steps that are whole since the last time, in order. */
  take(): Recorded[] {
    for (const [rank, ring] of this.#rings.entries()) {
      for (const step of takeFrom(ring)) {
        const parts = this.#parts.get(step.committed) ?? [];
        parts[rank] = step;
        this.#parts.set(step.committed, parts);
      }
    }
    const whole: Recorded[] = [];
    for (const [committed, parts] of [...this.#parts].sort(([a], [b]) => a - b)) {
      const here = parts.filter((part) => part !== undefined);
      if (here.length < this.#rings.length) continue;
      whole.push({ committed, ...this.#timelinesOf(here) });
      // Who has not recorded an earlier one by now never will.
      for (const other of this.#parts.keys()) if (other <= committed) this.#parts.delete(other);
    }
    return whole;
  }

  /** Drops what was recorded until now: it was switched off, or a step is run again. */
  forget(): void {
    for (const ring of this.#rings) takeFrom(ring);
    this.#parts.clear();
  }

  #timelinesOf(threads: readonly ThreadStep[]): ThreadTimelines {
    const startMs = Math.min(...threads.map((thread) => thread.startMs));
    return {
      startMs: startMs - this.#offsetMs,
      threads: threads.map((thread) => segmentsOf(thread, startMs)),
    };
  }
}

function takeFrom({ counters, numbers }: Ring): ThreadStep[] {
  const steps: ThreadStep[] = [];
  const end = Atomics.load(counters, written);
  for (let i = Atomics.load(counters, taken); i !== end; i = (i + 1) | 0) {
    const at = stepNumbers * ((i >>> 0) % recordedSteps);
    const [committed, count, startMs] = numbers.subarray(at, at + headNumbers);
    const first = at + headNumbers;
    steps.push({ committed, startMs, numbers: numbers.slice(first, first + 2 * count) });
  }
  Atomics.store(counters, taken, end);
  return steps;
}

function segmentsOf({ startMs, numbers }: ThreadStep, zeroMs: number): TimelineSegment[] {
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    phase: phases[numbers[2 * i]],
    from: (i === 0 ? startMs : numbers[2 * i - 1]) - zeroMs,
    to: numbers[2 * i + 1] - zeroMs,
  }));
}
