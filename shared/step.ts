import type { Layer } from './model/layer.ts';
import type { Exchange, Group } from './reduction/group.ts';
import type { Span } from './reduction/span.ts';

/** What a step needs of a layer. */
export type StepLayer = Pick<
  Layer,
  'forwardExchange' | 'backwardExchange' | 'byColumns' | 'forward' | 'backward'
>;

/** What a step needs of a model. */
export interface StepModel {
  readonly layers: readonly StepLayer[];
  readonly gradients: Exchange;
  gather(span: Span): void;
  loss(span: Span): void;
  update(span: Span): void;
}

/** All exchanges of a step, in order. */
export function exchangesOf({ layers, gradients }: Pick<StepModel, 'layers' | 'gradients'>): Exchange[] {
  const forward = layers.flatMap(({ forwardExchange }) => forwardExchange ?? []);
  const backward = layers.toReversed().flatMap(({ backwardExchange }) => backwardExchange ?? []);
  return [...forward, ...backward, gradients];
}

/**
 * One training step, for the shards of one span: forward, loss, backward, gradients. Whoever takes part, the step is
 * this one. It computes until the whole batch must agree on something, yields that exchange, and is to be resumed
 * when the exchange's total is there.
 */
export function* computeStep(
  model: StepModel,
  span: Span,
  group: Pick<Group, 'together'>,
): Generator<Exchange, void, void> {
  model.gather(span);
  for (const layer of model.layers) {
    if (layer.forwardExchange !== null) yield layer.forwardExchange;
    if (layer.byColumns) group.together(() => layer.forward(span));
    else layer.forward(span);
  }
  model.loss(span);
  for (let i = model.layers.length - 1; i >= 0; i--) {
    const layer = model.layers[i];
    if (layer.backwardExchange !== null) yield layer.backwardExchange;
    layer.backward(span);
  }
  yield model.gradients;
}

/** A model with another update: one that is made from totals which were merged elsewhere. */
export function withUpdate(model: StepModel, update: (span: Span) => void): StepModel {
  return {
    layers: model.layers,
    gradients: model.gradients,
    gather: (span) => model.gather(span),
    loss: (span) => model.loss(span),
    update,
  };
}

/**
 * A step with a group, and its update, which every replica gets. It reads `span.current` and writes `span.next`, so that a
 * step that did not end can be run again.
 */
export function trainStep(model: StepModel, span: Span, group: Group): void {
  for (const exchange of computeStep(model, span, group)) group.allReduce(exchange, span);
  model.update(span);
  group.allGather(span);
}
