/** A chart with its legend, its readout by mouse and keyboard, and its table. */
import uPlot from 'uplot';
import { announce } from './announce.ts';
import { colour } from './colours.ts';
import { cell, element, scrolling, setText, svgElement, table } from './elements.ts';
import { thinnedPlaces } from './logic/thinning.ts';

export interface Curve {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly colour: string;
  /** `band`: two curves, the lower one first, with what is between them filled; they stand in no legend. */
  readonly look: 'line' | 'faint' | 'marked' | 'band';
}

export interface ChartSettings {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** How a value is written. */
  readonly format: (value: number) => string;
  /** How it is on the axis, if otherwise. */
  readonly formatTick?: (value: number) => string;
  /** What the values' axis spans, given the least and the greatest value. */
  readonly range?: (min: number, max: number) => [number, number];
}

export interface ChartData {
  readonly places: readonly number[];
  /** By curve. */
  readonly values: readonly (readonly (number | null)[])[];
  /** What the places are, and how one is written. */
  readonly placeName: string;
  readonly formatPlace: (place: number) => string;
  readonly isLogarithmic?: boolean;
  /** What lies below is out of the picture. */
  readonly floor?: number | null;
}

const noData: ChartData = { places: [], values: [], placeName: 'step', formatPlace: String };
/** A table that is read should not change under the eyes. */
const tableEveryMs = 5000;

export class Chart {
  readonly #settings: ChartSettings;
  readonly #plot = element('div', { class: 'plot', tabindex: 0, role: 'application' });
  readonly #place = element('span', { class: 'place' });
  readonly #values: (HTMLElement | null)[];
  readonly #details = element('details', { class: 'as-table' }, element('summary', {}, 'Table'));
  readonly #table = element('div');
  #chart: uPlot | null = null;
  #data = noData;
  #tableAt = Number.NEGATIVE_INFINITY;

  constructor(place: HTMLElement, settings: ChartSettings) {
    this.#settings = settings;
    this.#values = settings.curves.map(({ look }) =>
      look === 'band' ? null : element('span', { class: 'number' }, '–'),
    );
    const keys = settings.curves.flatMap((curve, i) => {
      const value = this.#values[i];
      return value === null ? [] : [element('li', {}, sample(curve), `${curve.label} `, value)];
    });
    const hint = 'Left and right arrow keys go from value to value, Home and End to the first and the last.';
    this.#plot.setAttribute('aria-label', `Chart: ${settings.title}. ${hint} A table follows.`);
    this.#details.append(this.#table);
    place.append(
      element('div', { class: 'legend' }, element('ul', {}, ...keys), this.#place),
      this.#plot,
      this.#details,
    );
    this.#plot.addEventListener('keydown', (event) => this.#onKey(event));
    this.#plot.addEventListener('blur', () => this.#point(null));
    this.#details.addEventListener('toggle', () => this.#fillTable(true));
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
  }

  show(data: ChartData): void {
    const wasLogarithmic = this.#data.isLogarithmic;
    const hadPlaces = this.#data.placeName;
    this.#data = data;
    if (this.#chart === null || wasLogarithmic !== data.isLogarithmic || hadPlaces !== data.placeName) {
      this.restyle();
    } else this.#chart.setData(this.#aligned());
    this.#plot.classList.toggle('empty', data.places.length === 0);
    this.#readOut();
    this.#fillTable(false);
  }

  /** Draws anew, after colours have changed. */
  restyle(): void {
    this.#chart?.destroy();
    this.#chart = new uPlot(this.#options(), this.#aligned(), this.#plot);
  }

  #aligned(): uPlot.AlignedData {
    const { places, values, isLogarithmic } = this.#data;
    const drawn = this.#settings.curves.map((_, i) => {
      const list = values[i] ?? [];
      // A logarithm of nothing cannot be drawn.
      return isLogarithmic ? list.map((value) => (value !== null && value > 0 ? value : null)) : [...list];
    });
    return [[...places], ...drawn];
  }

  #options(): uPlot.Options {
    const { curves, format, formatTick = format, range } = this.#settings;
    const { isLogarithmic = false, formatPlace } = this.#data;
    const bands = curves.flatMap(({ look, colour: name }, i) =>
      look === 'band' && curves[i - 1]?.look === 'band'
        ? [{ series: [i + 1, i] as uPlot.Band.Bounds, fill: colour(`${name}-band`) }]
        : [],
    );
    const axis = {
      stroke: colour('--muted'),
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    return {
      width: Math.max(1, this.#plot.clientWidth),
      height: Math.max(1, this.#plot.clientHeight),
      legend: { show: false },
      padding: [8, 22, 0, 0],
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false },
        y: {
          distr: isLogarithmic ? 3 : 1,
          ...(range === undefined || isLogarithmic
            ? {}
            : { range: (_, min, max) => range(this.#data.floor ?? min ?? 0, max ?? 1) }),
        },
      },
      axes: [
        { ...axis, size: 26, gap: 4, space: 70, values: (_, splits) => splits.map(formatPlace) },
        {
          ...axis,
          size: 52,
          gap: 4,
          values: (_, splits) => splits.map((value) => (value === null ? '' : formatTick(value))),
        },
      ],
      series: [{}, ...curves.map(seriesOf)],
      bands,
      hooks: { setCursor: [() => this.#readOut()] },
    };
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#plot;
    if (clientWidth > 0) this.#chart?.setSize({ width: clientWidth, height: clientHeight });
  }

  #onKey(event: KeyboardEvent): void {
    const count = this.#data.places.length;
    if (count === 0) return;
    const last = count - 1;
    const at = this.#chart?.cursor.idx ?? last;
    const page = Math.max(1, Math.round(count / 10));
    const steps: Record<string, number | null> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageDown: at - page,
      PageUp: at + page,
      Home: 0,
      End: last,
      Escape: null,
    };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#point(next === null ? null : Math.min(last, Math.max(0, next)));
    if (next !== null) announce(this.#spoken());
  }

  #point(at: number | null): void {
    const left = at === null ? -10 : (this.#chart?.valToPos(this.#data.places[at], 'x') ?? -10);
    this.#chart?.setCursor({ left, top: at === null ? -10 : 10 });
  }

  /** Where the cursor is; the last place where it is nowhere. */
  get #at(): number {
    return this.#chart?.cursor.idx ?? this.#data.places.length - 1;
  }

  #readOut(): void {
    const at = this.#at;
    const { places, placeName, formatPlace } = this.#data;
    setText(this.#place, at < 0 ? '' : `${placeName} ${formatPlace(places[at])}`);
    for (const [i, target] of this.#values.entries()) {
      const value = this.#known(i, at);
      if (target !== null) setText(target, value === null ? '–' : this.#settings.format(value));
    }
  }

  /** A curve's value at a place, or the last one before it. */
  #known(curve: number, at: number): number | null {
    const values = this.#data.values[curve] ?? [];
    for (let i = at; i >= 0; i--) {
      const value = values[i];
      if (value !== null && value !== undefined) return value;
    }
    return null;
  }

  #spoken(): string {
    const { curves } = this.#settings;
    const said = curves.flatMap(({ label }, i) => {
      const target = this.#values[i];
      return target === null || target === undefined ? [] : [`${label} ${target.textContent}`];
    });
    return `${this.#place.textContent}: ${said.join(', ')}`;
  }

  #fillTable(isOpened: boolean): void {
    if (!this.#details.open) return;
    const now = performance.now();
    if (!isOpened && now - this.#tableAt < tableEveryMs) return;
    this.#tableAt = now;
    const { title, curves, format } = this.#settings;
    const { places, values, placeName, formatPlace } = this.#data;
    const rows = thinnedPlaces(places.length).map((at) => [
      cell(formatPlace(places[at]), 'name'),
      ...curves.map((_, i) => {
        const value = values[i]?.[at] ?? null;
        return cell(value === null ? '' : format(value), 'number');
      }),
    ]);
    const of = rows.length < places.length ? `, ${rows.length} of ${places.length} points` : '';
    this.#table.replaceChildren(
      scrolling(
        `Table: ${title}`,
        table(`${title}${of}`, [placeName, ...curves.map(({ label }) => label)], rows),
      ),
    );
  }
}

function seriesOf({ look, colour: name }: Curve): uPlot.Series {
  const stroke = colour(name);
  switch (look) {
    case 'line':
      return { stroke, width: 2, points: { show: false }, spanGaps: true };
    case 'faint':
      return { stroke: colour(`${name}-faint`), width: 1, points: { show: false }, spanGaps: true };
    case 'marked':
      return {
        stroke,
        width: 2,
        dash: [6, 4],
        spanGaps: true,
        points: { show: true, size: 6, stroke, fill: colour('--panel'), width: 2 },
      };
    case 'band':
      return { width: 0, points: { show: false }, spanGaps: true };
    default:
      return look satisfies never;
  }
}

/** A piece of the curve for the legend. */
function sample({ look, colour: name }: Curve): SVGSVGElement {
  const picture = svgElement('svg', { width: 22, height: 10, 'aria-hidden': 'true' });
  const line = svgElement('line', { x1: 0, y1: 5, x2: 22, y2: 5, 'stroke-width': look === 'faint' ? 1 : 2 });
  line.style.stroke = `var(${look === 'faint' ? `${name}-faint` : name})`;
  picture.append(line);
  if (look === 'marked') {
    line.setAttribute('stroke-dasharray', '5 3');
    const mark = svgElement('circle', { cx: 11, cy: 5, r: 3, 'stroke-width': 2 });
    mark.style.stroke = `var(${name})`;
    mark.style.fill = 'var(--panel)';
    picture.append(mark);
  }
  return picture;
}
