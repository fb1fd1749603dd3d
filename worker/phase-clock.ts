/**
 * A clock that stands around the model and the group of one thread and is turned from phase to phase: every moment of a
 * step belongs to one phase.
 */
import type { Exchange, Group } from '../shared/reduction/group.ts';
import type { Span } from '../shared/reduction/span.ts';
import type { StepLayer, StepModel } from '../shared/step.ts';
import type { Phase } from '../shared/timeline.ts';

/** Takes a phase that is over. */
export type PhaseSink = (phase: Phase, fromMs: number, toMs: number) => void;

export class PhaseClock {
  readonly #sink: PhaseSink;
  readonly #nowMs: () => number;
  #phase: Phase = 'other';
  #sinceMs = 0;

  constructor(sink: PhaseSink, nowMs: () => number) {
    this.#sink = sink;
    this.#nowMs = nowMs;
  }

  /** Begins with a phase; returns the moment. */
  start(phase: Phase = 'other'): number {
    this.#phase = phase;
    this.#sinceMs = this.#nowMs();
    return this.#sinceMs;
  }

  /** Ends the phase that is under way, whichever that is after a step that was called off; returns it. */
  turnTo(phase: Phase): Phase {
    const before = this.#phase;
    const nowMs = this.#nowMs();
    this.#sink(before, this.#sinceMs, nowMs);
    this.#phase = phase;
    this.#sinceMs = nowMs;
    return before;
  }

  /** Does something in a phase, and goes on in the one before. */
  timed(phase: Phase, action: () => void): void {
    const before = this.turnTo(phase);
    action();
    this.turnTo(before);
  }

  /** The same model, with the clock between it and the step. */
  watchModel(model: StepModel): StepModel {
    return {
      layers: model.layers.map((layer) => this.#watchLayer(layer)),
      gradients: this.#watchExchange(model.gradients, 'update'),
      gather: this.#watched('gather', (span) => model.gather(span)),
      loss: this.#watched('loss', (span) => model.loss(span)),
      update: this.#watched('update', (span) => model.update(span)),
    };
  }

  /** The same group. What it does beside the parts of an exchange, it does to wait for others. */
  watchGroup(group: Group): Group {
    return {
      allReduce: (exchange, span) => this.timed('waiting', () => group.allReduce(exchange, span)),
      together: (action) => this.timed('waiting', () => group.together(action)),
      allGather: (span) => this.timed('waiting', () => group.allGather(span)),
    };
  }

  #watchLayer(layer: StepLayer): StepLayer {
    const { forwardExchange, backwardExchange, byColumns } = layer;
    return {
      forwardExchange: forwardExchange && this.#watchExchange(forwardExchange, 'exchange'),
      backwardExchange: backwardExchange && this.#watchExchange(backwardExchange, 'exchange'),
      byColumns,
      forward: this.#watched('forward', (span) => layer.forward(span)),
      backward: this.#watched('backward', (span) => layer.backward(span)),
    };
  }

  #watchExchange(exchange: Exchange, phase: Phase): Exchange {
    return {
      name: exchange.name,
      layout: exchange.layout,
      partial: (span, shard) => this.timed(phase, () => exchange.partial(span, shard)),
      total: this.#watched(phase, (span) => exchange.total(span)),
      merge: (span, lo, hi, out) => this.timed(phase, () => exchange.merge(span, lo, hi, out)),
      receive: (span, total) => this.timed(phase, () => exchange.receive(span, total)),
    };
  }

  #watched(phase: Phase, action: (span: Span) => void): (span: Span) => void {
    return (span) => {
      const before = this.turnTo(phase);
      action(span);
      this.turnTo(before);
    };
  }
}
