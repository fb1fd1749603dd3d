/** The charts of a run: loss, accuracy, throughput. They show the same steps, and point at the same one. */
import { Chart, type ChartDeeds, type Places } from './chart.ts';
import { type ChartChoices, chartControls } from './chart-controls.ts';
import { onTheme } from './colours.ts';
import { byId } from './elements.ts';
import { type Axis, joined, type Row } from './logic/curves.ts';
import { duration, grouped, milliseconds, percent, shortNumber } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';
import { smoothed } from './logic/smoothing.ts';
import { amountTicks, countTicks, numberTicks, percentTicks, timeTicks } from './logic/ticks.ts';
import { nearest, spanOf, type View, viewOf, widened } from './logic/view.ts';

const epochOf = (epoch: number): string => String(Number(epoch.toFixed(2)));
const timeOf = (seconds: number): string => {
  if (seconds < 1) return milliseconds(1000 * seconds);
  return seconds < 60 ? `${Number(seconds.toFixed(1))} s` : duration(seconds);
};

const places: Record<Axis, Places> = {
  step: { head: 'step', format: grouped, say: (step) => `step ${grouped(step)}`, ticks: countTicks },
  epoch: { head: 'epoch', format: epochOf, say: (epoch) => `epoch ${epochOf(epoch)}`, ticks: numberTicks },
  time: {
    head: 'time of training',
    format: timeOf,
    say: (seconds) => `after ${timeOf(seconds)} of training`,
    ticks: timeTicks,
  },
};

export class Charts {
  readonly #view: RunView;
  readonly #deeds: ChartDeeds = {
    point: (at, by) => this.#point(at, by),
    zoom: (from, to) => this.#zoomTo(viewOf(this.#places, [from, to])),
    zoomBy: (factor, around) => {
      const view = this.#shown;
      if (view !== null) this.#zoomTo(widened(view, around, factor, this.#rows.length));
    },
    showAll: () => this.#zoomTo(null),
  };
  readonly #loss = new Chart(
    byId('loss-chart'),
    {
      title: 'Loss',
      format: shortNumber,
      ticks: numberTicks,
      range: (min, max) => {
        const margin = 0.05 * spread(min, max, max);
        return [Math.max(0, min - margin), max + margin];
      },
      curves: [
        { label: 'train, least of a step', colour: '--train', look: 'band' },
        { label: 'train, greatest of a step', colour: '--train', look: 'band' },
        { label: 'train', colour: '--train', look: 'faint' },
        { label: 'train (smoothed)', colour: '--train', look: 'line' },
        { label: 'test', colour: '--test', look: 'marked' },
      ],
    },
    this.#deeds,
  );
  readonly #accuracy = new Chart(
    byId('accuracy-chart'),
    {
      title: 'Accuracy',
      format: (value) => percent(value),
      ticks: percentTicks,
      range: (min, max) => {
        const margin = 0.1 * spread(min, max, 0.1);
        return [Math.max(0, min - margin), Math.min(1, max + margin)];
      },
      curves: [
        { label: 'train', colour: '--train', look: 'faint' },
        { label: 'train (smoothed)', colour: '--train', look: 'line' },
        { label: 'test', colour: '--test', look: 'marked' },
      ],
    },
    this.#deeds,
  );
  readonly #speed = new Chart(
    byId('speed-chart'),
    {
      title: 'Samples per second',
      format: (speed) => (speed < 100 ? shortNumber(speed) : grouped(speed)),
      ticks: amountTicks,
      range: (_, max) => [0, 1.2 * (max || 1)],
      curves: [
        { label: 'samples/s', colour: '--speed', look: 'faint' },
        { label: 'smoothed', colour: '--speed', look: 'line' },
      ],
    },
    this.#deeds,
  );
  readonly #choices: () => ChartChoices;
  #rows: readonly Row[] = [];
  // In steps, which stay what they are whatever the axis is, and however few points there are:
  #pointed: number | null = null;
  #zoom: readonly [from: number, to: number] | null = null;
  #pointedBy: 'mouse' | 'keys' = 'mouse';
  #recipeId: string | null = null;

  constructor(view: RunView) {
    this.#view = view;
    this.#choices = chartControls(() => this.show());
    onTheme(() => {
      for (const chart of this.#all) chart.restyle();
    });
  }

  show(): void {
    const recipeId = this.#view.facts?.recipeId ?? null;
    if (recipeId !== this.#recipeId) [this.#recipeId, this.#zoom] = [recipeId, null]; // another run has other steps
    const { axis, weight, isLogarithmic } = this.#choices();
    const rows = joined(this.#view.points, this.#view.epochs, axis);
    this.#rows = rows;
    const steps = this.#steps;
    const view = this.#shown;
    const isZoomed = view !== null && view[1] - view[0] + 1 < rows.length;
    // The first tenth is far from all that follows; with all of it in the picture nobody could tell 98 % from 99.
    const settled: View | null = view === null || isZoomed ? view : [Math.floor(rows.length / 10), view[1]];
    const at = this.#pointed === null ? null : nearest(steps, this.#pointed);
    const placed = { axis: places[axis], places: this.#places, view, isZoomed, at };
    // By thousandths of what there is, so that a curve is as smooth however many steps a point has.
    const reference = Math.max(1, (steps.at(-1) ?? 0) / 1000);
    const smooth = (values: readonly (number | null)[]) => smoothed(values, steps, weight, reference);

    const losses = rows.map(({ step }) => step?.loss ?? null);
    const testLosses = rows.map(({ epoch }) => epoch?.testLoss ?? null);
    this.#loss.show({
      ...placed,
      isLogarithmic,
      span: spanOf([losses, testLosses], settled),
      values: [
        rows.map(({ step }) => step?.lossMin ?? null),
        rows.map(({ step }) => step?.lossMax ?? null),
        losses,
        smooth(losses),
        testLosses,
      ],
    });
    const accuracies = rows.map(({ step }) => step?.accuracy ?? null);
    const shares = [accuracies, smooth(accuracies), rows.map(({ epoch }) => epoch?.testAccuracy ?? null)];
    // Single steps are often far below; they may leave the picture once there are many.
    const [least] = spanOf(rows.length < 30 ? shares : shares.slice(1), settled) ?? [0];
    const [, most] = spanOf(shares, settled) ?? [0, 1];
    this.#accuracy.show({ ...placed, values: shares, span: [least, most] });
    const speeds = rows.map(speedOf);
    const steady = smooth(speeds);
    this.#speed.show({ ...placed, values: [speeds, steady], span: spanOf([steady], settled) });
  }

  get #all(): readonly Chart[] {
    return [this.#loss, this.#accuracy, this.#speed];
  }

  get #steps(): number[] {
    return this.#rows.map((row) => (row.step ?? row.epoch)?.step ?? 0);
  }

  get #places(): number[] {
    return this.#rows.map(({ place }) => place);
  }

  get #shown(): View | null {
    return viewOf(this.#steps, this.#zoom);
  }

  #point(at: number | null, by: 'mouse' | 'keys'): void {
    // The mouse that goes takes nothing away from the keys, nor the other way round.
    if (at === null && by !== this.#pointedBy) return;
    this.#pointedBy = by;
    this.#pointed = at === null ? null : (this.#steps[at] ?? null);
    for (const chart of this.#all) chart.point(at);
  }

  #zoomTo(view: View | null): void {
    const steps = this.#steps;
    const isPart = view !== null && view[1] - view[0] + 1 < steps.length;
    this.#zoom = isPart ? [steps[view[0]], steps[view[1]]] : null;
    this.show();
  }
}

function speedOf({ step, epoch }: Row): number | null {
  return step?.samplesPerSecond ?? epoch?.samplesPerSecond ?? null;
}

/** How far apart two values are; something else for what is one value but for rounding. */
function spread(min: number, max: number, alone: number): number {
  return max - min > 1e-9 * max ? max - min : alone;
}
