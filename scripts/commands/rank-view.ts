/** What a rank that works for another one says: nothing, as long as all is well; rank 0 tells of the run. */
import type { WorkerEvent } from '../../worker/worker.ts';
import { clock, showNote } from './screen.ts';
import type { WorkerShow } from './worker.ts';

/** Ranks do not start in the same moment. */
const patienceMs = 10_000;

export class RankView implements WorkerShow {
  readonly #rank: number;
  readonly #isQuiet: boolean;
  #retryingSinceMs: number | null = null;
  #hasSaid = false;

  constructor(rank: number, isQuiet: boolean) {
    this.#rank = rank;
    this.#isQuiet = isQuiet;
  }

  /** A line that says whose it is. */
  #say(line: string): void {
    if (!this.#isQuiet) showNote(`rank ${this.#rank}: ${line}`);
  }

  start(): void {}

  event(event: WorkerEvent): void {
    switch (event.kind) {
      case 'lost':
        this.#say(`connection lost: ${event.reason}; trying again for ${clock(event.seconds)}`);
        break;
      case 'retrying': {
        const nowMs = performance.now();
        this.#retryingSinceMs ??= nowMs;
        if (this.#hasSaid || nowMs - this.#retryingSinceMs < patienceMs) break;
        this.#hasSaid = true;
        this.#say(`still waiting for rank 0: ${event.reason}`);
        break;
      }
      case 'welcomed':
        this.#retryingSinceMs = null;
        this.#hasSaid = false;
        break;
      case 'warning':
        this.#say(event.line);
        break;
      default:
    }
  }

  finish(): void {}

  stop(): void {}
}
