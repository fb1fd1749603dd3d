/** What happened in a run, as the page is told: everything to who comes, and then what is new since the last time. */
import { oneLine } from '../../shared/errors.ts';
import type { EpochReport, StepReport } from '../reports.ts';
import type { Confusion, FeedMessage, RunEvent, RunFacts } from './feed.ts';
import { EpochHistory, StepHistory } from './history.ts';
import type { Past } from './past.ts';

export const mostEvents = 200;
/** Characters of the words of an event; a name has up to 80, a reason up to 1,024. */
export const eventLength = 320;

/** How much of it a reader has been told. Two who were told the same have the same object. */
export interface Told {
  readonly pointLayout: number;
  readonly epochLayout: number;
  readonly steps: number;
  /** Points that can have changed since are those from this one on. */
  readonly points: number;
  readonly epochs: number;
  readonly events: number;
  readonly confusion: Confusion | null;
}

export interface ChronicleOptions {
  readonly facts: RunFacts;
  readonly stepsOfEpoch: number;
  /** Epochs that were done before this process took the run up. */
  readonly epochs: readonly EpochReport[];
}

export class Chronicle {
  readonly #facts: RunFacts;
  readonly #stepsOfEpoch: number;
  #steps: StepHistory;
  readonly #epochs = new EpochHistory();
  readonly #events: RunEvent[] = [];
  /** Events so far, those that are forgotten too. */
  #eventCount = 0;
  #confusion: Confusion | null = null;
  /** What is to be added to the curves once what was before is known; null where that is not waited for. */
  #held: (() => void)[] | null = null;
  /** Until something happens. */
  #latest: Told | null = null;

  constructor({ facts, stepsOfEpoch, epochs }: ChronicleOptions) {
    this.#facts = facts;
    this.#stepsOfEpoch = stepsOfEpoch;
    let seconds = 0;
    for (const epoch of epochs) {
      seconds += epoch.seconds;
      this.#epochs.add(epoch, seconds);
    }
    this.#steps = new StepHistory(stepsOfEpoch, seconds);
  }

  /** Seconds of training so far. */
  get seconds(): number {
    return this.#steps.seconds;
  }

  steps(reports: readonly StepReport[]): void {
    this.#inTurn(() => {
      for (const report of reports) this.#steps.add(report);
    });
  }

  epoch(report: EpochReport): void {
    this.#inTurn(() => this.#epochs.add(report, this.#steps.seconds));
  }

  /** Keeps new steps and epochs back until {@link recall}: what was before is still being read. */
  hold(): void {
    this.#held ??= [];
  }

  /** Puts what was before in front of what was kept back. @param past null where it could not be had */
  recall(past: Past | null): void {
    const held = this.#held;
    if (held === null) return; // too late
    this.#held = null;
    if (past !== null && past.steps.count > 0) {
      this.#steps = past.steps;
      this.#epochs.retime((step) => past.secondsAt.get(step) ?? null);
    }
    for (const add of held) add();
    this.#latest = null;
  }

  #inTurn(add: () => void): void {
    if (this.#held !== null) {
      this.#held.push(add);
      return;
    }
    add();
    this.#latest = null;
  }

  /** @param step steps done when the test set was asked */
  evaluation(counts: Confusion['counts'], step: number): void {
    this.#confusion = { epoch: step / this.#stepsOfEpoch, step, counts };
    this.#latest = null;
  }

  /** @param text may quote what others sent */
  event(step: number, atMs: number, text: string): void {
    this.#events.push({ step, atMs, text: cut(oneLine(text)) });
    this.#eventCount += 1;
    if (this.#events.length > mostEvents) this.#events.shift();
    this.#latest = null;
  }

  /**
   * What there is to tell somebody who was told so much, and how much that makes.
   * @param told null for one who was told nothing
   */
  news(told: Told | null): { readonly messages: readonly FeedMessage[]; readonly told: Told } {
    const now = this.#now();
    if (told === now) return { messages: [], told: now };
    if (told === null || told.epochLayout !== now.epochLayout) {
      return { messages: [this.#everything()], told: now };
    }
    const messages: FeedMessage[] = [];
    if (told.steps !== now.steps) {
      const from = told.pointLayout === now.pointLayout ? told.points : 0;
      messages.push({ type: 'points', from, points: this.#steps.points(from) });
    }
    for (const epoch of this.#epochs.points(told.epochs)) messages.push({ type: 'epoch', epoch });
    const { confusion } = now;
    if (confusion !== null && confusion !== told.confusion) messages.push({ type: 'confusion', confusion });
    const unheard = Math.min(now.events - told.events, this.#events.length);
    for (const event of this.#events.slice(this.#events.length - unheard))
      messages.push({ type: 'event', event });
    return { messages, told: now };
  }

  #everything(): FeedMessage {
    return {
      type: 'run',
      facts: this.#facts,
      points: this.#steps.points(),
      epochs: this.#epochs.points(),
      events: [...this.#events],
      confusion: this.#confusion,
    };
  }

  #now(): Told {
    this.#latest ??= {
      pointLayout: this.#steps.layout,
      epochLayout: this.#epochs.layout,
      steps: this.#steps.count,
      points: Math.max(0, this.#steps.length - 1),
      epochs: this.#epochs.count,
      events: this.#eventCount,
      confusion: this.#confusion,
    };
    return this.#latest;
  }
}

/** At most so much of a text, without half of a character at its end. */
function cut(text: string): string {
  return text.length <= eventLength ? text : `${text.slice(0, eventLength - 1).toWellFormed()}…`;
}
