/** Has the team of this process record steps as long as somebody wants to be told of them. */
import { StepListeners } from '../shared/step-listeners.ts';
import { StepSampling } from '../shared/step-sampling.ts';
import type { Crew } from './crew.ts';

/** What was recorded is taken this often; until then there is room for it. */
const takeMs = 100;

/** The team as the one worker of its run. */
export const thisProcess = { id: 'here', name: 'this process' } as const;

export class TeamWatch {
  readonly listeners: StepListeners;
  readonly #crew: Pick<Crew, 'record' | 'recorded'>;
  readonly #committed: () => number;
  #sampling: StepSampling | null = null;
  #perSecond = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param committed steps of the run that are done */
  constructor(crew: Pick<Crew, 'record' | 'recorded'>, committed: () => number) {
    this.#crew = crew;
    this.#committed = committed;
    this.listeners = new StepListeners(
      () => performance.now(),
      () => this.#turn(),
    );
  }

  /** Tells of what was recorded until now. */
  flush(): void {
    if (this.#sampling === null) return;
    for (const { committed, startMs, threads } of this.#crew.recorded()) {
      this.listeners.tell({ step: committed + 1, workers: [{ ...thisProcess, startMs, threads }] });
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.flush();
    this.#sampling = null;
  }

  /** On, off, or at another rate. */
  #turn(): void {
    const { perSecond } = this.listeners;
    if (perSecond === this.#perSecond) return;
    this.#perSecond = perSecond;
    clearInterval(this.#timer);
    this.#sampling = perSecond === 0 ? null : new StepSampling(perSecond);
    this.#crew.record(this.#sampling?.every ?? 0);
    // The run does not stay for it.
    if (perSecond > 0) this.#timer = setInterval(() => this.#take(), takeMs).unref();
  }

  #take(): void {
    this.flush();
    if (this.#sampling === null) return;
    this.#sampling.note(this.#committed(), performance.now());
    this.#crew.record(this.#sampling.every);
  }
}
