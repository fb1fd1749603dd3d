/** All that the page knows of a run: what it was told, and no more than it needs to show. */
import type { StepTimeline } from '../../../../shared/timeline.ts';
import type {
  BatchNormPoint,
  Confusion,
  EpochPoint,
  FeedMessage,
  RunEvent,
  RunFacts,
  StepPoint,
} from '../../feed.ts';

export type Now = Extract<FeedMessage, { type: 'now' }>;
export type Over = Extract<FeedMessage, { type: 'over' }>;

/** The parts of the page, each drawn from what changed. */
export type Part = 'facts' | 'now' | 'points' | 'batchNorm' | 'confusion' | 'timeline' | 'events' | 'over';

export const allParts = [
  'facts',
  'now',
  'points',
  'batchNorm',
  'confusion',
  'timeline',
  'events',
  'over',
] as const satisfies readonly Part[];

/** Of events and timelines only the last ones are shown. */
export const mostEvents = 100;
export const mostTimelines = 4;

export class RunView {
  facts: RunFacts | null = null;
  now: Now | null = null;
  over: Over | null = null;
  points: StepPoint[] = [];
  epochs: EpochPoint[] = [];
  events: RunEvent[] = [];
  timelines: StepTimeline[] = [];
  confusion: Confusion | null = null;
  batchNorm: { readonly step: number; readonly layers: readonly BatchNormPoint[] } | null = null;

  /** Takes a message, and returns the parts that it changed. */
  take(message: FeedMessage): readonly Part[] {
    switch (message.type) {
      case 'run':
        this.#restart(message);
        return allParts;
      case 'points':
        this.points.splice(message.from, Number.POSITIVE_INFINITY, ...message.points);
        return ['points'];
      case 'epoch':
        this.epochs = [...this.epochs.filter(({ epoch }) => epoch < message.epoch.epoch), message.epoch];
        return ['points'];
      case 'now':
        this.now = message;
        return ['now'];
      case 'batchNorm':
        this.batchNorm = { step: message.step, layers: message.layers };
        return ['batchNorm'];
      case 'confusion':
        this.confusion = message.confusion;
        return ['confusion'];
      case 'timeline':
        this.#takeTimelines(message.steps);
        return ['timeline'];
      case 'event':
        this.events = [...this.events, message.event].slice(-mostEvents);
        return ['events'];
      case 'over':
        this.over = message;
        return ['over'];
      default:
        message satisfies never;
        return []; // from a later coordinator: what it says beside is still good
    }
  }

  #restart(message: Extract<FeedMessage, { type: 'run' }>): void {
    // Another run has nothing in common with this one; the same one after a break keeps what is not sent again.
    if (this.facts?.recipeId !== message.facts.recipeId) {
      this.timelines = [];
      this.batchNorm = null;
      this.now = null;
    }
    // Whoever goes on with a run knows nothing of what happened to the process before; one that begins has no before.
    const [first] = message.events;
    const isSame = this.facts?.recipeId === message.facts.recipeId && first !== undefined && first.step > 0;
    const earlier = isSame ? this.events.filter(({ atMs }) => atMs < first.atMs) : [];
    this.over = null;
    this.facts = message.facts;
    this.points = [...message.points];
    this.epochs = [...message.epochs];
    this.events = [...earlier, ...message.events].slice(-mostEvents);
    this.confusion = message.confusion;
  }

  #takeTimelines(steps: readonly StepTimeline[]): void {
    const fresh = new Set(steps.map(({ step }) => step));
    const kept = this.timelines.filter(({ step }) => !fresh.has(step));
    this.timelines = [...kept, ...steps].slice(-mostTimelines);
  }
}
