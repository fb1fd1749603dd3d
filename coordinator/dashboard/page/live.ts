/** The stream of what happens, for as long as the page is open: lost, it is taken up again. */
import type { FeedMessage } from '../feed.ts';
import { askForToken, request, TokenNeeded } from './access.ts';
import { LineSplitter } from './logic/lines.ts';
import { retryDelayMs } from './logic/reconnect.ts';

/** Nothing for so long means that the connection is dead, whatever the browser thinks. */
const silenceMs = 10_000;

export type LiveState =
  | { readonly kind: 'connecting' | 'live' | 'over' }
  /** @property sinceMs on the clock of `Date.now` */
  | { readonly kind: 'lost'; readonly sinceMs: number };

export class Live {
  #state: LiveState = { kind: 'connecting' };
  readonly #onMessage: (message: FeedMessage) => void;
  readonly #onState: (state: LiveState) => void;
  #attempt = 0;
  #wake: () => void = () => {};

  constructor(onMessage: (message: FeedMessage) => void, onState: (state: LiveState) => void) {
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  /** Follows the run until it has finished. */
  async follow(): Promise<void> {
    const wake = () => document.visibilityState === 'visible' && this.#wake();
    document.addEventListener('visibilitychange', wake);
    window.addEventListener('online', wake);
    while (true) {
      this.#onState(this.#state);
      try {
        const end = await this.#listen();
        if (end === 'finished') return;
        // What was stopped or failed may be taken up again from the same address.
        if (end !== null) {
          await this.#wait(30_000);
          continue;
        }
      } catch (error) {
        if (error instanceof TokenNeeded) {
          await askForToken();
          continue;
        }
      }
      if (this.#state.kind !== 'lost') this.#become({ kind: 'lost', sinceMs: Date.now() });
      await this.#wait(retryDelayMs(this.#attempt++, Math.random()));
    }
  }

  /** Reads one answer to its end; how the run ended, or null where only the answer did. */
  async #listen(): Promise<string | null> {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), silenceMs);
    try {
      const response = await request('/live', abort.signal);
      if (response.body === null) return null;
      const lines = new LineSplitter();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let how: string | null = null;
      while (true) {
        const { value, done } = await reader.read();
        if (done) return how;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), silenceMs);
        for (const line of lines.take(value)) {
          const message = JSON.parse(line) as FeedMessage;
          if (message.type === 'run') {
            this.#attempt = 0;
            this.#become({ kind: 'live' });
          }
          if (message.type === 'over') {
            how = message.how;
            this.#become({ kind: 'over' });
          }
          this.#onMessage(message);
        }
      }
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #become(state: LiveState): void {
    this.#state = state;
    this.#onState(state);
  }

  /** Waits, unless the page is looked at again or the network is back. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#wake = end;
    });
  }
}
