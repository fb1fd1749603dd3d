/** What happened, with the moment of each event, and waiting for what has to happen. */

/** Milliseconds since a moment that is the same for all processes of this machine. */
export function machineMs(): number {
  return performance.timeOrigin + performance.now();
}

export type Stamped<Event> = Event & { readonly atMs: number };

export class EventLog<Event extends { readonly kind: string }> {
  readonly all: Stamped<Event>[] = [];
  readonly #waiting = new Set<() => void>();

  /** Takes an event as of now, or of the moment that it brings. */
  add(event: Event & { readonly atMs?: number }): void {
    this.all.push({ atMs: machineMs(), ...event });
    for (const look of [...this.#waiting]) look();
  }

  count(kind: Event['kind']): number {
    return this.all.filter((event) => event.kind === kind).length;
  }

  /**
   * Returns the first event that fits from the `from`-th on, now or when it comes.
   * @throws Error with all that happened if none comes in time
   */
  async waitFor(
    what: string,
    fits: (event: Stamped<Event>) => boolean,
    { from = 0, timeoutMs = 30_000 } = {},
  ): Promise<Stamped<Event>> {
    const find = () => this.all.slice(from).find(fits);
    const found = find();
    if (found !== undefined) return found;
    return new Promise((resolve, reject) => {
      const look = () => {
        const event = find();
        if (event === undefined) return;
        this.#waiting.delete(look);
        clearTimeout(timer);
        resolve(event);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        const seen = this.all.map((event) => `\n  ${JSON.stringify(event)}`).join('');
        reject(new Error(`waited ${timeoutMs} ms for ${what}; what happened:${seen}`));
      }, timeoutMs);
      this.#waiting.add(look);
    });
  }
}
