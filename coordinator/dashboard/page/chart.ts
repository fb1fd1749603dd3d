/** A chart with its legend, its readout by mouse and keyboard, and its table. */
import { announce } from './announce.ts';
import { element, setText, svgElement } from './elements.ts';
import { KeptTable } from './kept-table.ts';
import { thinnedPlaces } from './logic/thinning.ts';
import { countTicks, type Ticks } from './logic/ticks.ts';
import { extent, type View } from './logic/view.ts';
import { type Curve, newPlot, type Plot, type PlotData } from './plot.ts';

export interface ChartSettings {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** How a value is written, and how it is on the axis. */
  readonly format: (value: number) => string;
  readonly ticks: Ticks;
  /** What the values' axis spans, given the least and the greatest value. */
  readonly range: (min: number, max: number) => [number, number];
}

/** What somebody does to a chart. Places are told by number, or as they are on the axis. */
export interface ChartDeeds {
  readonly point: (at: number | null, by: 'mouse' | 'keys') => void;
  readonly zoom: (from: number, to: number) => void;
  readonly zoomBy: (factor: number, around: number) => void;
  readonly showAll: () => void;
}

/** An axis of places. */
export interface Places {
  /** Heads their column of the table. */
  readonly head: string;
  readonly format: (place: number) => string;
  /** As one says where a value is: `step 12`. */
  readonly say: (place: number) => string;
  readonly ticks: Ticks;
}

export interface ChartData {
  readonly axis: Places;
  readonly places: readonly number[];
  /** By curve. */
  readonly values: readonly (readonly (number | null)[])[];
  /** What of it is shown; null for nothing. */
  readonly view: View | null;
  readonly isZoomed: boolean;
  /** The number of the place that is pointed at. */
  readonly at: number | null;
  /** What decides the values' axis, if not all that is shown. */
  readonly span?: readonly [min: number, max: number] | null;
  readonly isLogarithmic?: boolean;
}

const noAxis: Places = { head: '', format: String, say: String, ticks: countTicks };
const noData: ChartData = { axis: noAxis, places: [], values: [], view: null, isZoomed: false, at: null };
/** A table that is read should not change under the eyes. */
const tableEveryMs = 5000;
const hint =
  'Left and right arrow keys go from value to value, Home and End to the first and the last. ' +
  'Plus and minus show less and more, zero shows all.';

export class Chart {
  readonly #settings: ChartSettings;
  readonly #deeds: ChartDeeds;
  readonly #plot = element('div', { class: 'plot', tabindex: 0, role: 'application' });
  readonly #place = element('span', { class: 'place' });
  readonly #all = element('button', { type: 'button', hidden: true }, 'Show all');
  readonly #values: (HTMLElement | null)[];
  readonly #details = element('details', { class: 'as-table' }, element('summary', {}, 'Table'));
  readonly #table: KeptTable;
  #chart: Plot | null = null;
  #data = noData;
  #tableAt = Number.NEGATIVE_INFINITY;

  constructor(place: HTMLElement, settings: ChartSettings, deeds: ChartDeeds) {
    this.#settings = settings;
    this.#deeds = deeds;
    this.#table = new KeptTable(`Table: ${settings.title}`);
    this.#values = settings.curves.map(({ look }) =>
      look === 'band' ? null : element('span', { class: 'number' }, '–'),
    );
    const keys = settings.curves.flatMap((curve, i) => {
      const value = this.#values[i];
      return value === null ? [] : [element('li', {}, sample(curve), `${curve.label} `, value)];
    });
    this.#plot.setAttribute('aria-label', `Chart: ${settings.title}. ${hint} A table follows.`);
    this.#details.append(this.#table.element);
    place.append(
      element('div', { class: 'legend' }, element('ul', {}, ...keys), this.#place),
      this.#plot,
      element('div', { class: 'below' }, this.#details, this.#all),
    );
    this.#plot.addEventListener('keydown', (event) => this.#onKey(event));
    this.#plot.addEventListener('blur', () => deeds.point(null, 'keys'));
    this.#all.addEventListener('click', () => {
      this.#plot.focus(); // as this is about to go
      deeds.showAll();
    });
    this.#details.addEventListener('toggle', () => this.#fillTable(true));
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
  }

  show(data: ChartData): void {
    const { isLogarithmic, axis, isZoomed } = this.#data;
    this.#data = data;
    if (this.#chart === null || isLogarithmic !== data.isLogarithmic || axis !== data.axis) this.restyle();
    else {
      this.#chart.setData(this.#aligned(), false);
      this.#setView(this.#chart);
    }
    this.#plot.classList.toggle('empty', data.places.length === 0);
    this.#all.hidden = !data.isZoomed;
    this.#readOut();
    this.#fillTable(isZoomed !== data.isZoomed || axis !== data.axis);
  }

  /** Points at a place, by its number. */
  point(at: number | null): void {
    this.#data = { ...this.#data, at };
    this.#setCursor();
    this.#readOut();
  }

  /** Draws anew, after colours have changed. */
  restyle(): void {
    const { curves, range, ticks } = this.#settings;
    const { isLogarithmic = false, axis } = this.#data;
    const plotted = {
      curves,
      placeTicks: axis.ticks,
      valueTicks: ticks,
      isLogarithmic,
      range: (min: number, max: number) => range(...(this.#data.span ?? [min, max])),
      onDrag: this.#deeds.zoom,
      onDoubleClick: this.#deeds.showAll,
    };
    this.#chart?.destroy();
    const made = newPlot(plotted, this.#aligned(), this.#plot);
    this.#chart = made;
    made.over.addEventListener('mousemove', ({ movementX, movementY }) => {
      // Where the mouse was still, it was the page that moved.
      const isMoved = movementX !== 0 || movementY !== 0;
      if (isMoved || this.#data.at === null) this.#deeds.point(made.cursor.idx ?? null, 'mouse');
      else this.#setCursor();
    });
    made.over.addEventListener('mouseleave', () => this.#deeds.point(null, 'mouse'));
    this.#setView(made);
  }

  #aligned(): PlotData {
    const { places, values, isLogarithmic } = this.#data;
    const drawn = this.#settings.curves.map((_, i) => {
      const list = values[i] ?? [];
      // A logarithm of nothing cannot be drawn.
      return isLogarithmic ? list.map((value) => (value !== null && value > 0 ? value : null)) : [...list];
    });
    return [[...places], ...drawn];
  }

  #setView(chart: Plot): void {
    const [min, max] = extent(this.#data.places, this.#data.view);
    chart.setScale('x', { min, max });
    this.#setCursor();
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (width === 0) return;
    this.#chart?.setSize({ width, height });
    this.#setCursor();
  }

  /** uPlot's cursor stays at its pixel; this one at its place, which moves when there is more to show. */
  #setCursor(): void {
    const chart = this.#chart;
    // uPlot does what it was told after the code that told it, in order; before that it does not know where places are.
    queueMicrotask(() => {
      if (chart !== this.#chart || chart === null) return;
      const place = this.#data.places[this.#data.at ?? -1];
      const left = place === undefined ? -10 : chart.valToPos(place, 'x');
      chart.setCursor({ left, top: place === undefined ? -10 : 10 }, false);
    });
  }

  #onKey(event: KeyboardEvent): void {
    const { view, at: pointed } = this.#data;
    if (view === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const [first, last] = view;
    const at = pointed ?? last;
    const page = Math.max(1, Math.round((last - first) / 10));
    const steps: Record<string, number | null> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageDown: at - page,
      PageUp: at + page,
      Home: first,
      End: last,
      Escape: null,
    };
    const next = steps[event.key];
    if (event.key === '0') this.#deeds.showAll();
    else if (event.key === '+' || event.key === '=') this.#deeds.zoomBy(0.5, at);
    else if (event.key === '-') this.#deeds.zoomBy(2, at);
    else if (next === undefined) return;
    else this.#deeds.point(next === null ? null : Math.min(last, Math.max(first, next)), 'keys');
    event.preventDefault();
    if (next === undefined) announce(this.#spokenView());
    else if (next !== null) announce(this.#spoken());
  }

  /** What is pointed at; the last values where nothing is. */
  #readOut(): void {
    const { places, axis } = this.#data;
    const at = this.#data.at ?? places.length - 1;
    setText(this.#place, at < 0 ? '' : axis.say(places[at]));
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

  #spokenView(): string {
    const { places, view, axis } = this.#data;
    return view === null ? '' : `${axis.say(places[view[0]])} to ${axis.say(places[view[1]])}`;
  }

  #fillTable(isDue: boolean): void {
    if (!this.#details.open || this.#table.isBeingRead) return;
    const now = performance.now();
    if (!isDue && now - this.#tableAt < tableEveryMs) return;
    this.#tableAt = now;
    const { title, curves, format } = this.#settings;
    const { places, values, axis, view } = this.#data;
    const [first, count] = view === null ? [0, 0] : [view[0], view[1] - view[0] + 1];
    const rows = thinnedPlaces(count).map((i) => [
      axis.format(places[first + i]),
      ...curves.map((_, curve) => {
        const value = values[curve]?.[first + i] ?? null;
        return value === null ? '' : format(value);
      }),
    ]);
    const of = rows.length < count ? `, ${rows.length} of ${count} points` : '';
    this.#table.fill(`${title}${of}`, [axis.head, ...curves.map(({ label }) => label)], rows);
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
