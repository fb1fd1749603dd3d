/** Points of steps and of epochs on one axis, as a chart wants them: one list of places, and a list of values a curve. */
import type { EpochPoint, StepPoint } from '../../feed.ts';

export const axes = ['step', 'epoch', 'time'] as const;
export type Axis = (typeof axes)[number];

type Placed = Pick<StepPoint | EpochPoint, 'step' | 'epoch' | 'seconds'>;

/** Where a point stands. */
export function placeOf(point: Placed, axis: Axis): number {
  switch (axis) {
    case 'step':
      return point.step;
    case 'epoch':
      return point.epoch;
    case 'time':
      return point.seconds;
    default:
      return axis satisfies never;
  }
}

/** A point of the axis: what is known there. */
export interface Row {
  readonly place: number;
  readonly step: StepPoint | null;
  readonly epoch: EpochPoint | null;
}

/** Steps and epochs in one order; those of the same step stand in one row. */
export function joined(points: readonly StepPoint[], epochs: readonly EpochPoint[], axis: Axis): Row[] {
  const rows: Row[] = [];
  let next = 0;
  const takeEpochs = (before: number): void => {
    for (; next < epochs.length && epochs[next].step < before; next++) {
      rows.push({ place: placeOf(epochs[next], axis), step: null, epoch: epochs[next] });
    }
  };
  for (const step of points) {
    takeEpochs(step.step);
    const epoch = epochs[next]?.step === step.step ? epochs[next++] : null;
    rows.push({ place: placeOf(step, axis), step, epoch });
  }
  takeEpochs(Number.POSITIVE_INFINITY);
  return rows;
}
