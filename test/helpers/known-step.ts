/** A step for clocks: nothing is computed, every part takes its own power of two. */
import type { Exchange, Group } from '../../shared/reduction/group.ts';
import type { StepModel } from '../../shared/step.ts';

/** A step whose parts take a known time, on a clock that only they move. */
export function knownStep() {
  let nowMs = 0;
  const takes = (ms: number) => () => {
    nowMs += ms;
  };
  const exchange = (name: string, partialMs: number, totalMs: number): Exchange => ({
    name,
    layout: { floats: 0, moments: [] },
    partial: takes(partialMs),
    total: takes(totalMs),
    merge: () => {},
    receive: () => {},
  });
  const model: StepModel = {
    layers: [
      {
        forwardExchange: null,
        backwardExchange: null,
        byColumns: true,
        forward: takes(2),
        backward: takes(4),
      },
      {
        forwardExchange: exchange('moments', 8, 16),
        backwardExchange: exchange('sums', 32, 64),
        byColumns: false,
        forward: takes(128),
        backward: takes(256),
      },
    ],
    gradients: exchange('gradient', 512, 1024),
    gather: takes(1),
    loss: takes(2048),
    update: takes(4096),
  };
  const group: Group = {
    allReduce: (one, span) => {
      one.partial(span, 0);
      one.partial(span, 1);
      takes(8192)();
      one.total(span);
    },
    together: (action) => {
      takes(131_072)();
      action();
    },
    allGather: takes(16_384),
  };
  return { model, group, takes, nowMs: () => nowMs };
}
