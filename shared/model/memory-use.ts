/** What the bytes of a planned memory are for. */
import type { MemoryPlan } from './memory-plan.ts';

/**
 * `data`: samples and their order; `parameters`, `optimizer`: the two replicas; `activations`: and their gradients;
 * `partials`: of shards, their totals, and scratch to merge them.
 */
export const memoryParts = ['data', 'parameters', 'optimizer', 'activations', 'partials', 'other'] as const;
export type MemoryPart = (typeof memoryParts)[number];

/** Bytes by what they are for; together they are all of the plan. */
export function memoryUse(plan: MemoryPlan): Readonly<Record<MemoryPart, number>> {
  const uses: Record<MemoryPart, number> = {
    ...{ data: 0, parameters: 0, optimizer: 0, activations: 0, partials: 0, other: 0 },
  };
  // A place reaches to the next one. Of several that begin at the same byte only the last one is not empty.
  const places = placesOf(plan).toSorted((a, b) => a.offset - b.offset);
  for (const [i, { part, offset }] of places.entries()) {
    uses[part] += (places[i + 1]?.offset ?? plan.bytes) - offset;
  }
  return uses;
}

/** Where everything begins, in the order in which it was planned. */
export function placesOf(plan: MemoryPlan): { readonly part: MemoryPart; readonly offset: number }[] {
  const { exchange } = plan;
  const of = (part: MemoryPart, ...offsets: readonly number[]) => offsets.map((offset) => ({ part, offset }));
  const gradients = plan.activationGradients.flatMap((matrix) => (matrix === null ? [] : [matrix.offset]));
  return [
    ...of('other', 0, plan.control, plan.nonFinite, plan.scaleTable, plan.rule),
    ...plan.replicas.flatMap(({ flat, state }) => [...of('parameters', flat), ...of('optimizer', state)]),
    ...of('partials', plan.gradient),
    ...(exchange === null ? [] : of('partials', exchange.totals, exchange.outbox, exchange.nodes)),
    ...of('activations', ...plan.activations.map(({ offset }) => offset), ...gradients),
    ...of('partials', ...plan.layersShared),
    ...plan.threads.flatMap(({ input, stack, layers, loss, checksum }) => [
      ...of('activations', input.offset),
      ...of('partials', stack, ...layers, loss, checksum),
    ]),
    ...of('partials', plan.batchLosses, plan.evaluationLosses),
    ...of('other', plan.predictions, plan.stepLosses, plan.stepCorrect, plan.stepSeconds),
    ...of('other', plan.stepChecksums, ...plan.recordings),
    ...of('data', plan.order, plan.train.images, plan.train.labels, plan.test.images, plan.test.labels),
  ];
}
