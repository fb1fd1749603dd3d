/** Has the crew of a worker record steps, for the coordinator if it asks, and for whoever traces this worker. */
import { StepSampling } from '../shared/step-sampling.ts';
import { roomForText, timelineText } from '../shared/timeline-text.ts';
import { timelineMs, timelineThreads } from '../shared/wire/limits.ts';
import type { Clock } from '../shared/wire/link.ts';
import type { TimelineMessage } from '../shared/wire/messages.ts';
import type { Crew } from './crew.ts';
import type { Recorded } from './recording.ts';

/** Who traces this worker. */
export interface OwnWatch {
  readonly perSecond: number;
  tell(step: Recorded): void;
}

export interface StepWatchOptions {
  readonly clock: Clock;
  send(message: TimelineMessage): void;
  readonly own: OwnWatch | null;
}

export class StepWatch {
  readonly #options: StepWatchOptions;
  readonly #sampling: StepSampling | null;
  #crew: Pick<Crew, 'record' | 'recorded'> | null = null;
  /** What the coordinator asked for. */
  #asked = 0;
  #every = 0;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(options: StepWatchOptions) {
    this.#options = options;
    this.#sampling = options.own === null ? null : new StepSampling(options.own.perSecond);
  }

  /** The crew is there; nothing that it did before counts. */
  begin(crew: Pick<Crew, 'record' | 'recorded'>): void {
    this.#crew = crew;
    this.#every = 0;
    crew.record(0);
    this.#record();
  }

  /** The coordinator wants to be told of steps before which a multiple of so many were committed; 0: of none. */
  ask(every: number): void {
    this.#asked = every;
    this.#record();
  }

  /** A step is done here, the one after so many. */
  applied(committed: number): void {
    const every = this.#every;
    if (every === 0) return;
    this.#sampling?.note(committed, this.#options.clock.nowMs());
    if (committed % every === 0) for (const step of this.#crew?.recorded() ?? []) this.#tell(step);
    this.#record();
  }

  #tell(step: Recorded): void {
    this.#options.own?.tell(step);
    const nowMs = this.#options.clock.nowMs();
    const isAsked = this.#asked !== 0 && step.committed % this.#asked === 0;
    if (!isAsked || nowMs - this.#sentMs < timelineMs) return;
    this.#sentMs = nowMs;
    const threads = step.threads.slice(0, timelineThreads);
    const room = roomForText(threads.length);
    this.#options.send({
      type: 'timeline',
      step: step.committed,
      microseconds: Math.min(Math.max(0, Math.round((nowMs - step.startMs) * 1000)), 2 ** 32 - 1),
      threads: threads.map((segments) => timelineText(segments, room)),
    });
  }

  /** All that anybody wants: of two powers of two the lesser. */
  #record(): void {
    const wanted = [this.#asked, this.#sampling?.every ?? 0].filter((every) => every !== 0);
    const every = wanted.length === 0 ? 0 : Math.min(...wanted);
    if (every === this.#every) return;
    this.#every = every;
    this.#crew?.record(every);
  }
}
