/** The data set on its way from the coordinator to a worker that has none. */

/** Takes the data set as it comes. */
export interface DataSink {
  /** Takes the next bytes; returns whether the data set is whole. @throws when they are not what is due */
  chunk(panel: number, bytes: Uint8Array): boolean;
}

/** Who waits for the data. */
interface Waiting {
  readonly sink: DataSink;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class DataIntake {
  #waiting: Waiting | null = null;
  #panel = 0;
  #cancelled: Error | null = null;

  /** Waits for a whole data set. @throws what the sink throws, or the reason for which nothing comes any more */
  receive(sink: DataSink): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#cancelled !== null) failed(this.#cancelled);
      else this.#waiting = { sink, done, failed };
    });
  }

  /** Takes a chunk; returns false for one that nobody waits for. */
  take(panel: number, bytes: Uint8Array): boolean {
    const waiting = this.#waiting;
    if (waiting === null || panel < this.#panel) return false;
    this.#panel = panel + 1;
    try {
      if (!waiting.sink.chunk(panel, bytes)) return true;
      waiting.done();
    } catch (error) {
      waiting.failed(error);
    }
    this.#waiting = null;
    return true;
  }

  /** Nothing comes any more, whoever waits for it now or will. */
  cancel(reason: string): void {
    this.#cancelled ??= new Error(reason);
    this.#waiting?.failed(this.#cancelled);
    this.#waiting = null;
  }
}
