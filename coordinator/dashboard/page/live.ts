/** The stream of what happens, for as long as the page is open: lost, it is taken up again. */
import type { FeedMessage } from '../feed.ts';
import { answered, askForToken, NoAnswer, reasonOf, request, TokenNeeded } from './access.ts';
import { LineSplitter } from './logic/lines.ts';
import { retryDelayMs } from './logic/reconnect.ts';

/** Nothing for so long means that the connection is dead, whatever the browser thinks. */
const silenceMs = 10_000;
/** A page that nobody has seen for so long gives its connection back: a browser has six for a coordinator. */
const unseenMs = 60_000;
/** Between looks for another run once this one is over. */
const nextRunMs = { least: 2_000, spread: 3_000 };

export type LiveState =
  | { readonly kind: 'connecting' | 'live' }
  /** It was never live so far, and why. */
  | { readonly kind: 'waiting'; readonly reason: string }
  /** The last that was heard was at `sinceMs` on the clock of `Date.now`. */
  | { readonly kind: 'over' | 'lost'; readonly sinceMs: number };

export class Live {
  #state: LiveState = { kind: 'connecting' };
  readonly #onMessage: (message: FeedMessage) => void;
  readonly #onState: (state: LiveState) => void;
  #attempt = 0;
  #heardMs = 0;
  #isUnseen = false;
  #abort = new AbortController();
  #unseenTimer: ReturnType<typeof setTimeout> | undefined;
  #wake: () => void = () => {};

  constructor(onMessage: (message: FeedMessage) => void, onState: (state: LiveState) => void) {
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  /** Follows the run, and whatever runs at this address after it. */
  async follow(): Promise<never> {
    document.addEventListener('visibilitychange', () => this.#onVisibility());
    window.addEventListener('online', () => {
      if (!document.hidden) this.#wake();
    });
    this.#onState(this.#state);
    while (true) {
      // Whoever comes back to the page wakes it.
      if (this.#isUnseen) await this.#wait(null);
      try {
        await this.#listen();
        this.#fall('the answer of the coordinator has ended');
      } catch (error) {
        if (error instanceof TokenNeeded) {
          await askForToken();
          continue;
        }
        if (!(error instanceof NoAnswer)) console.error(error);
        this.#fall(reasonOf(error));
      }
      await this.#wait(
        this.#state.kind === 'over'
          ? nextRunMs.least + nextRunMs.spread * Math.random()
          : retryDelayMs(this.#attempt++, Math.random()),
      );
    }
  }

  /**
   * Reads one answer to its end.
   * @throws TokenNeeded, NoAnswer where it breaks off, SyntaxError where it is not what it should be
   */
  async #listen(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    let timer = setTimeout(() => abort.abort(), silenceMs);
    try {
      const { body } = await request('/live', abort.signal);
      if (body === null) return;
      const lines = new LineSplitter();
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      while (true) {
        const { value, done } = await answered(reader.read());
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), silenceMs);
        this.#heardMs = Date.now();
        this.#take(lines.take(value));
      }
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #take(lines: readonly string[]): void {
    // A run that is told of and over at once was never live.
    let state: LiveState | null = null;
    for (const line of lines) {
      const message = JSON.parse(line) as FeedMessage;
      if (message.type === 'run') state = { kind: 'live' };
      if (message.type === 'over') state = { kind: 'over', sinceMs: this.#heardMs };
      this.#onMessage(message);
    }
    if (state === null) return;
    this.#attempt = 0;
    this.#become(state);
  }

  /** The connection is no more, or there never was one. */
  #fall(reason: string): void {
    const { kind } = this.#state;
    if (kind === 'connecting' || kind === 'waiting') this.#become({ kind: 'waiting', reason });
    else if (kind === 'live') this.#become({ kind: 'lost', sinceMs: this.#heardMs });
  }

  #become(state: LiveState): void {
    this.#state = state;
    this.#onState(state);
  }

  #onVisibility(): void {
    clearTimeout(this.#unseenTimer);
    this.#isUnseen = false;
    if (!document.hidden) this.#wake();
    else {
      this.#unseenTimer = setTimeout(() => {
        this.#isUnseen = true;
        this.#abort.abort();
      }, unseenMs);
    }
  }

  /** Waits, unless the page is looked at again or the network is back; null waits for nothing else. */
  #wait(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
      const timer = ms === null ? undefined : setTimeout(end, ms);
      this.#wake = end;
    });
  }
}
