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

/**
 * One training step, for the shards of one span against a group: forward, loss, backward, gradients, update.
 * Whoever is in the group, the step is this one. It reads `span.current` and writes `span.next`, so that a step
 * that did not end can be run again.
 */
export function trainStep(model: StepModel, span: Span, group: Group): void {
  model.gather(span);
  for (const layer of model.layers) {
    if (layer.forwardExchange !== null) group.allReduce(layer.forwardExchange, span);
    if (layer.byColumns) group.together(() => layer.forward(span));
    else layer.forward(span);
  }
  model.loss(span);
  for (let i = model.layers.length - 1; i >= 0; i--) {
    const layer = model.layers[i];
    if (layer.backwardExchange !== null) group.allReduce(layer.backwardExchange, span);
    layer.backward(span);
  }
  group.allReduce(model.gradients, span);
  model.update(span);
  group.barrier();
}
