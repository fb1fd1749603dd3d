import type { Clock } from '../../shared/wire/link.ts';

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #next = 0;
  readonly #due = new Map<number, { readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const id = this.#next++;
    this.#due.set(id, { atMs: this.#nowMs + ms, callback });
    return () => this.#due.delete(id);
  }

  /** Timers that have not run out. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Lets time pass; what falls due is called in its order. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const [first] = [...this.#due]
        .filter(([, { atMs }]) => atMs <= end)
        .sort(([, a], [, b]) => a.atMs - b.atMs);
      if (first === undefined) break;
      this.#due.delete(first[0]);
      this.#nowMs = first[1].atMs;
      first[1].callback();
    }
    this.#nowMs = end;
  }
}
