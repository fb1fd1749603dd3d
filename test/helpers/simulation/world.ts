/** Simulated time: what is to happen, in order, and the processes to which it happens. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../shared/wire/link.ts';

/** Something that will happen. */
interface Entry {
  atMs: number;
  /** Among what happens at one moment: timers that a frozen process missed come before what arrived meanwhile. */
  rank: number;
  readonly order: number;
  readonly process: Process | null;
  readonly isTimer: boolean;
  run: (() => void) | null;
}

export class World {
  nowMs = 0;
  /** What happened, line by line; null where only its hash is wanted. */
  readonly lines: string[] | null;
  readonly #hash = createHash('sha256');
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(keepTrace: boolean) {
    this.lines = keepTrace ? [] : null;
  }

  /** Notes what happens; two runs are the same if they have the same notes. */
  note(line: string): void {
    const text = `${this.nowMs.toFixed(3)} ${line}`;
    this.#hash.update(text);
    this.lines?.push(text);
  }

  /** Ends the notes and returns their SHA-256. */
  traceHash(): string {
    return this.#hash.digest('hex');
  }

  /** Lets something happen, to a process if it is alive then, when it is not frozen. */
  at(atMs: number, run: () => void, process: Process | null = null, isTimer = false): Entry {
    const entry: Entry = { atMs, rank: 1, order: this.#order++, process, isTimer, run };
    this.#push(entry);
    return entry;
  }

  /** Lets things happen until `isDone`, nothing is left, or time is up. */
  async run(isDone: () => boolean, untilMs: number): Promise<'done' | 'nothing left' | 'time is up'> {
    for (;;) {
      // Promises settle between two events.
      await setImmediate();
      if (isDone()) return 'done';
      let entry = this.#pop();
      while (entry !== null && !this.#isDue(entry)) entry = this.#pop();
      if (entry === null) return 'nothing left';
      if (entry.atMs > untilMs) {
        this.#push(entry);
        return 'time is up';
      }
      this.nowMs = Math.max(this.nowMs, entry.atMs);
      const { run, process } = entry;
      entry.run = null;
      if (entry.isTimer && process !== null) process.timers -= 1;
      run?.();
    }
  }

  #isDue(entry: Entry): boolean {
    const { process } = entry;
    if (entry.run === null || process?.isAlive === false) return false;
    if (process === null || process.frozenUntilMs <= entry.atMs) return true;
    entry.atMs = process.frozenUntilMs;
    entry.rank = entry.isTimer ? 0 : 1;
    this.#push(entry);
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    for (let up = (i - 1) >> 1; i > 0 && isBefore(entry, heap[up]); up = (i - 1) >> 1) {
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = entry;
  }

  #pop(): Entry | null {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return last ?? null;
    const top = heap[0];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs - b.atMs < 0 || (a.atMs === b.atMs && (a.rank - b.rank || a.order - b.order) < 0);
}

/** A process: dead, nothing happens to it any more; frozen, its timers and what arrives wait. */
export class Process implements Clock {
  readonly name: string;
  readonly #world: World;
  isAlive = true;
  frozenUntilMs = 0;
  /** Timers that have not fired. */
  timers = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  nowMs(): number {
    return this.#world.nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    this.timers += 1;
    const entry = this.#world.at(this.nowMs() + ms, callback, this, true);
    return () => {
      if (entry.run !== null) this.timers -= 1;
      entry.run = null;
    };
  }

  /** Something arrives from outside. */
  post(callback: () => void): void {
    this.#world.at(this.nowMs(), callback, this);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }
}
