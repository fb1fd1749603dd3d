/** One reader of the stream: an answer that goes on, to somebody who may be slow or have stopped reading. */
import type { ServerResponse } from 'node:http';
import { writePieces } from './pieces.ts';

/**
 * What one reader may cost in buffers. It gets nothing more before all that it was sent has left, so it costs one
 * telling at most, and what is left out is told later. One that takes nothing at all is cut by the site.
 */
export const readerBytes = 2 ** 20;

/** What whoever tells needs of one. */
export interface Reader {
  /** True when all that it was sent has left. */
  readonly isFree: boolean;
  send(parts: readonly Uint8Array[]): void;
  /** Sends what there is to say last once there is room for it, and ends. */
  end(last: () => readonly Uint8Array[]): void;
}

export class StreamReader implements Reader {
  readonly #response: ServerResponse;
  #isSending = false;
  #whenFree = (): void => {};

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get isFree(): boolean {
    return !this.#isSending && this.#response.writableLength === 0;
  }

  send(parts: readonly Uint8Array[]): void {
    this.#isSending = true;
    writePieces(this.#response, parts, () => {
      this.#isSending = false;
      this.#whenFree();
    });
  }

  end(last: () => readonly Uint8Array[]): void {
    const finish = (): void => {
      this.#whenFree = () => this.#response.end();
      this.send(last());
    };
    if (this.#isSending) this.#whenFree = finish;
    else finish();
  }
}
