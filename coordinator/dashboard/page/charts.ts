/** The charts of a run: loss, accuracy, throughput. */
import { Chart } from './chart.ts';
import { onTheme } from './colours.ts';
import { byId } from './elements.ts';
import { type Axis, axes, joined, type Row } from './logic/curves.ts';
import { duration, grouped, percent, shortNumber } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';
import { smoothed } from './logic/smoothing.ts';

const placeNames: Record<Axis, string> = { step: 'step', epoch: 'epoch', time: 'after' };
const placeFormats: Record<Axis, (place: number) => string> = {
  step: grouped,
  epoch: (epoch) => String(Number(epoch.toFixed(2))),
  time: (seconds) => (seconds < 60 ? `${Number(seconds.toFixed(1))} s` : duration(seconds)),
};

export class Charts {
  readonly #view: RunView;
  readonly #loss = new Chart(byId('loss-chart'), {
    title: 'Loss',
    format: shortNumber,
    range: (min, max) => [Math.max(0, min - 0.05 * (max - min)), max + 0.05 * (max - min || 1)],
    curves: [
      { label: 'least', colour: '--train', look: 'band' },
      { label: 'greatest', colour: '--train', look: 'band' },
      { label: 'raw', colour: '--train', look: 'faint' },
      { label: 'train', colour: '--train', look: 'line' },
      { label: 'test', colour: '--test', look: 'marked' },
    ],
  });
  readonly #accuracy = new Chart(byId('accuracy-chart'), {
    title: 'Accuracy',
    format: (value) => percent(value),
    formatTick: (value) => `${Number((100 * value).toFixed(1))} %`,
    range: (min, max) => [
      Math.max(0, min - 0.1 * (max - min || 0.1)),
      Math.min(1, max + 0.1 * (max - min || 0.1)),
    ],
    curves: [
      { label: 'raw', colour: '--train', look: 'faint' },
      { label: 'train', colour: '--train', look: 'line' },
      { label: 'test', colour: '--test', look: 'marked' },
    ],
  });
  readonly #speed = new Chart(byId('speed-chart'), {
    title: 'Samples per second',
    format: (speed) => (speed < 100 ? shortNumber(speed) : grouped(speed)),
    range: (_, max) => [0, 1.1 * (max || 1)],
    curves: [
      { label: 'raw', colour: '--speed', look: 'faint' },
      { label: 'samples/s', colour: '--speed', look: 'line' },
    ],
  });
  #axis: Axis = 'step';
  #weight = 0;
  #isLogarithmic = false;

  constructor(view: RunView) {
    this.#view = view;
    const slider = byId('smoothing') as HTMLInputElement;
    const logarithmic = byId('logarithmic') as HTMLInputElement;
    const takeSettings = (): void => {
      this.#weight = Number(slider.value);
      byId('smoothing-value').textContent = this.#weight.toFixed(2);
      this.#isLogarithmic = logarithmic.checked;
      const chosen = document.querySelector<HTMLInputElement>('input[name=axis]:checked')?.value;
      this.#axis = axes.find((axis) => axis === chosen) ?? 'step';
    };
    for (const input of [slider, logarithmic, ...document.querySelectorAll('input[name=axis]')]) {
      input.addEventListener('input', () => {
        takeSettings();
        this.show();
      });
    }
    takeSettings();
    onTheme(() => {
      for (const chart of [this.#loss, this.#accuracy, this.#speed]) chart.restyle();
    });
  }

  show(): void {
    const axis = this.#axis;
    const rows = joined(this.#view.points, this.#view.epochs, axis);
    const placed = {
      places: rows.map(({ place }) => place),
      placeName: placeNames[axis],
      formatPlace: placeFormats[axis],
    };
    const raw = rows.map(({ step }) => step?.loss ?? null);
    this.#loss.show({
      ...placed,
      isLogarithmic: this.#isLogarithmic,
      values: [
        rows.map(({ step }) => step?.lossMin ?? null),
        rows.map(({ step }) => step?.lossMax ?? null),
        raw,
        smoothed(raw, this.#weight),
        rows.map(({ epoch }) => epoch?.testLoss ?? null),
      ],
    });
    const accuracies = rows.map(({ step }) => step?.accuracy ?? null);
    const values = [
      accuracies,
      smoothed(accuracies, this.#weight),
      rows.map(({ epoch }) => epoch?.testAccuracy ?? null),
    ];
    this.#accuracy.show({ ...placed, values, floor: leastAfterStart(values.slice(1)) });
    const speeds = rows.map(speedOf);
    this.#speed.show({ ...placed, values: [speeds, smoothed(speeds, this.#weight)] });
  }
}

function speedOf({ step, epoch }: Row): number | null {
  return step?.samplesPerSecond ?? epoch?.samplesPerSecond ?? null;
}

/** The first tenth climbs from nearly nothing; with all of it in the picture nobody could tell 98 % from 99. */
function leastAfterStart(curves: readonly (readonly (number | null)[])[]): number | null {
  const late = curves.flatMap((values) => values.slice(Math.floor(values.length / 10)));
  const known = late.filter((value) => value !== null);
  return known.length === 0 ? null : Math.min(...known);
}
