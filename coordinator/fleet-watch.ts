/**
 * Has the workers time some steps, all of them the same ones, as long as somebody wants to be told, and puts what they say
 * of a step together.
 */
import { type StepListener, StepListeners, type WatchRate } from '../shared/step-listeners.ts';
import { StepSampling } from '../shared/step-sampling.ts';
import type { WorkerTimeline } from '../shared/timeline.ts';
import { parseTimeline } from '../shared/timeline-text.ts';
import { timelineMs } from '../shared/wire/limits.ts';
import type { Clock } from '../shared/wire/link.ts';
import type { TimelineMessage } from '../shared/wire/messages.ts';
import { CoordinatorTimelines } from './coordinator-timeline.ts';
import type { Member } from './member.ts';

/** Steps of which something is missing; older ones will not become whole any more. */
const mostParts = 4;
/** Workers say no more than that. */
const mostPerSecond = 800 / timelineMs;

export interface FleetWatchOptions {
  readonly clock: Clock;
  /** Members that take part, by rank. */
  ready(): readonly Member[];
  /** Steps of the run that are committed. */
  committed(): number;
}

export class FleetWatch {
  /** What the coordinator does itself in those steps. */
  readonly own: CoordinatorTimelines;
  readonly #options: FleetWatchOptions;
  readonly #listeners: StepListeners;
  /** Who was told to time steps, and the first that it can have timed, by steps committed before. */
  readonly #told = new Map<Member, number>();
  /** What was said of steps, by steps committed before and by member. */
  readonly #parts = new Map<number, Map<Member, WorkerTimeline>>();
  #sampling: StepSampling | null = null;
  #perSecond = 0;
  /** Steps committed before the last one that was told. */
  #last = -1;

  constructor(options: FleetWatchOptions) {
    const { clock } = options;
    this.#options = options;
    this.#listeners = new StepListeners(
      () => clock.nowMs(),
      () => this.#turn(),
    );
    this.own = new CoordinatorTimelines(
      (committed) => this.#sampling !== null && committed % this.#sampling.every === 0,
      () => clock.nowMs(),
    );
  }

  /** Steps that one is told of who wants so many. */
  rate({ perSecond }: WatchRate): WatchRate {
    return { perSecond: Math.min(perSecond, mostPerSecond), burst: 1 };
  }

  add(listener: StepListener, rate?: WatchRate): () => void {
    return this.#listeners.add(listener, rate);
  }

  /** Somebody takes part, for the first time or again. */
  ready(member: Member): void {
    // It computes nothing of the step that is under way before it hears this.
    if (this.#sampling !== null) this.#tell(member, this.#options.committed());
  }

  /** Somebody takes part no more: nobody waits for what it would say. */
  lost(member: Member): void {
    if (member.state === 'gone') this.#told.delete(member);
    this.#tellWhole();
  }

  /** A step is committed. */
  committed(): void {
    const sampling = this.#sampling;
    if (sampling === null) return;
    const { every } = sampling;
    sampling.note(this.#options.committed(), this.#options.clock.nowMs());
    if (sampling.every === every) return;
    for (const member of this.#told.keys()) member.link.send({ type: 'watch', every: sampling.every });
  }

  /** Takes what a member says of a step; what nobody asked for says nothing. */
  timeline(member: Member, { step, microseconds, threads }: TimelineMessage): void {
    const { hello, name, delayMs } = member;
    const isAsked = this.#told.has(member) && step > this.#last && step < this.#options.committed();
    const isOld = [...this.#parts.keys()].filter((other) => other > step).length >= mostParts;
    if (hello === null || !isAsked || isOld) return;
    const startMs = this.#options.clock.nowMs() - (delayMs ?? 0) / 2 - microseconds / 1000;
    const parts = this.#parts.get(step) ?? new Map<Member, WorkerTimeline>();
    this.#parts.set(step, parts);
    const shown = threads.slice(0, hello.threads).map(parseTimeline);
    parts.set(member, { id: hello.workerId, name, startMs, threads: shown });
    this.#tellWhole();
    for (const old of [...this.#parts.keys()].sort((a, b) => a - b).slice(0, -mostParts)) {
      this.#parts.delete(old);
    }
  }

  /** On, off, or at another rate. */
  #turn(): void {
    const perSecond = Math.min(this.#listeners.perSecond, mostPerSecond);
    if (perSecond === this.#perSecond) return;
    this.#perSecond = perSecond;
    this.#sampling = perSecond === 0 ? null : new StepSampling(perSecond);
    if (perSecond > 0) {
      // Some of them have begun the step that is under way.
      for (const member of this.#options.ready()) this.#tell(member, this.#options.committed() + 1);
      return;
    }
    for (const member of this.#told.keys()) member.link.send({ type: 'watch', every: 0 });
    this.#told.clear();
    this.#parts.clear();
  }

  #tell(member: Member, from: number): void {
    this.#told.set(member, from);
    member.link.send({ type: 'watch', every: this.#sampling?.every ?? 0 });
  }

  #canSpeakOf(step: number, member: Member): boolean {
    const from = this.#told.get(member);
    return from !== undefined && step >= from;
  }

  /** Tells of steps of which everybody has spoken who could. */
  #tellWhole(): void {
    const ready = this.#options.ready();
    for (const [step, parts] of [...this.#parts].sort(([a], [b]) => a - b)) {
      if (!ready.every((member) => parts.has(member) || !this.#canSpeakOf(step, member))) continue;
      this.#last = step;
      for (const other of this.#parts.keys()) if (other <= step) this.#parts.delete(other);
      const gone = [...parts.keys()].filter((member) => !ready.includes(member));
      const coordinator = this.own.of(step);
      this.#listeners.tell({
        step: step + 1,
        workers: [...ready, ...gone].flatMap((member) => parts.get(member) ?? []),
        ...(coordinator && { coordinator }),
      });
    }
  }
}
