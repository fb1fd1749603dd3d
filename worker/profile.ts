/**
 * Where the time of a step goes. A profile stands around the model and the group of one thread and turns a clock from
 * phase to phase: every moment belongs to one phase, so the phases add up to the time of all steps.
 */
import type { Exchange, Group } from '../shared/reduction/group.ts';
import type { Span } from '../shared/reduction/span.ts';
import type { StepLayer, StepModel } from '../shared/step.ts';
import { type Phase, phases } from '../shared/timeline.ts';

export type PhaseSeconds = Readonly<Record<Phase, number>>;

/** The phases of a thread by name. @param sums seconds in the order of {@link phases} */
export function phaseSeconds(sums: Float64Array): PhaseSeconds {
  return Object.fromEntries(phases.map((phase, i) => [phase, sums[i]])) as Record<Phase, number>;
}

export class Profile {
  readonly #sums: Float64Array;
  readonly #nowMs: () => number;
  #phase: Phase = 'other';
  #sinceMs = 0;

  /** @param sums where the seconds are added up, in the order of {@link phases}; others may read them after `stop` */
  constructor(sums: Float64Array, nowMs: () => number) {
    this.#sums = sums;
    this.#nowMs = nowMs;
  }

  start(): void {
    this.#phase = 'other';
    this.#sinceMs = this.#nowMs();
  }

  /** Ends the phase that is under way; after a step that was called off, whichever that is. */
  stop(): void {
    this.#turnTo('other');
  }

  /** The same model and group, with the clock between them and the step. */
  watch(model: StepModel, group: Group): { model: StepModel; group: Group } {
    const { gradients } = model;
    return {
      model: {
        layers: model.layers.map((layer) => this.#watchLayer(layer)),
        gradients: this.#watchExchange(gradients, 'update'),
        gather: this.#timed('gather', (span) => model.gather(span)),
        loss: this.#timed('loss', (span) => model.loss(span)),
        update: this.#timed('update', (span) => model.update(span)),
      },
      // What a group does beside the parts of an exchange, it does to wait for others.
      group: {
        allReduce: (exchange, span) => {
          const before = this.#turnTo('waiting');
          group.allReduce(exchange, span);
          this.#turnTo(before);
        },
        together: (action) => {
          const before = this.#turnTo('waiting');
          group.together(action);
          this.#turnTo(before);
        },
        barrier: () => {
          const before = this.#turnTo('waiting');
          group.barrier();
          this.#turnTo(before);
        },
      },
    };
  }

  #watchLayer(layer: StepLayer): StepLayer {
    const { forwardExchange, backwardExchange, byColumns } = layer;
    return {
      forwardExchange: forwardExchange && this.#watchExchange(forwardExchange, 'exchange'),
      backwardExchange: backwardExchange && this.#watchExchange(backwardExchange, 'exchange'),
      byColumns,
      forward: this.#timed('forward', (span) => layer.forward(span)),
      backward: this.#timed('backward', (span) => layer.backward(span)),
    };
  }

  #watchExchange(exchange: Exchange, phase: Phase): Exchange {
    return {
      ...exchange,
      partial: (span, shard) => {
        const before = this.#turnTo(phase);
        exchange.partial(span, shard);
        this.#turnTo(before);
      },
      total: this.#timed(phase, (span) => exchange.total(span)),
    };
  }

  #timed(phase: Phase, action: (span: Span) => void): (span: Span) => void {
    return (span) => {
      const before = this.#turnTo(phase);
      action(span);
      this.#turnTo(before);
    };
  }

  /** Gives the time since the last turn to the phase that was under way; returns that phase. */
  #turnTo(phase: Phase): Phase {
    const before = this.#phase;
    const nowMs = this.#nowMs();
    this.#sums[phases.indexOf(before)] += (nowMs - this.#sinceMs) / 1000;
    this.#phase = phase;
    this.#sinceMs = nowMs;
    return before;
  }
}
