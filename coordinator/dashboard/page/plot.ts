/** How uPlot draws a chart. */
import uPlot from 'uplot';
import { colour } from './colours.ts';
import { powerTicks, type Ticks } from './logic/ticks.ts';

export interface Curve {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly colour: string;
  /** `band`: two curves, the lower one first, with what is between them filled; they stand in no legend. */
  readonly look: 'line' | 'faint' | 'marked' | 'band';
}

export interface PlotSettings {
  readonly curves: readonly Curve[];
  readonly placeTicks: Ticks;
  readonly valueTicks: Ticks;
  readonly isLogarithmic: boolean;
  /** What the values' axis spans, given the least and the greatest value, where it is not logarithmic. */
  readonly range: (min: number, max: number) => [number, number];
  /** Places between which somebody dragged the mouse. */
  readonly onDrag: (from: number, to: number) => void;
  readonly onDoubleClick: () => void;
}

export type Plot = uPlot;
export type PlotData = uPlot.AlignedData;

const font = '11px system-ui, sans-serif';
/** Of a mark to the next one, at least: nearer ones are a band. */
const markRoom = 12;
/** A few points are more than a curve through them; one alone is no curve at all. */
const fewPoints = 30;

/** A plot that fills an element; what part of its places it shows is still to be said. */
export function newPlot(settings: PlotSettings, data: PlotData, place: HTMLElement): Plot {
  const width = Math.max(1, place.clientWidth);
  const height = Math.max(1, place.clientHeight);
  return new uPlot({ ...optionsOf(settings), width, height }, data, place);
}

function optionsOf(settings: PlotSettings): Omit<uPlot.Options, 'width' | 'height'> {
  const { curves, placeTicks, valueTicks, isLogarithmic, range } = settings;
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
    font,
    gap: 4,
  };
  return {
    legend: { show: false },
    padding: [8, 22, 0, 0],
    cursor: {
      y: false,
      drag: { setScale: false, x: true, y: false, dist: 6 },
      points: { size: 7 },
      bind: {
        dblclick: () => () => {
          settings.onDoubleClick();
          return null;
        },
      },
    },
    scales: {
      // Which places are shown is said with the data.
      x: { time: false, auto: false },
      y: isLogarithmic ? { distr: 3 } : { distr: 1, range: (_, min, max) => range(min ?? 0, max ?? 1) },
    },
    axes: [
      { ...axis, size: 26, space: placeTicks.room ?? 60, ...tickOptions(placeTicks) },
      { ...axis, size: widthOf, ...tickOptions(isLogarithmic ? powerTicks : valueTicks) },
    ],
    series: [{}, ...curves.map(seriesOf)],
    bands: curves.flatMap(({ look, colour: name }, i) =>
      look === 'band' && curves[i - 1]?.look === 'band'
        ? [{ series: [i + 1, i] as uPlot.Band.Bounds, fill: colour(`${name}-band`) }]
        : [],
    ),
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width <= 0) return;
          const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          settings.onDrag(from, to);
        },
      ],
    },
  };
}

function tickOptions({ steps, write }: Ticks): Pick<uPlot.Axis, 'incrs' | 'values'> {
  return {
    ...(steps === undefined ? {} : { incrs: [...steps] }),
    values: (_, splits, _axis, _space, apart) => {
      // On a logarithmic axis some lines have no text, as there is no room.
      const known: number[] = splits.filter((value) => value !== null);
      const texts = write(known, apart);
      let next = 0;
      return splits.map((value) => (value === null ? '' : texts[next++]));
    },
  };
}

/** As wide as the widest text of the values' axis. */
function widthOf(plot: uPlot, texts: string[] | null): number {
  plot.ctx.save();
  plot.ctx.font = font;
  const widest = Math.max(0, ...(texts ?? []).map((text) => plot.ctx.measureText(text).width));
  plot.ctx.restore();
  return Math.max(40, Math.ceil(widest) + 10);
}

function seriesOf({ look, colour: name }: Curve): uPlot.Series {
  const stroke = colour(name);
  switch (look) {
    case 'line': {
      const points = { size: 5, stroke, fill: stroke, width: 0 };
      return { stroke, width: 2, spanGaps: true, points: { ...points, show: areFew } };
    }
    case 'faint':
      return { stroke: colour(`${name}-faint`), width: 1, points: { show: false }, spanGaps: true };
    case 'marked': {
      const points = { size: 6, stroke, fill: colour('--panel'), width: 2 };
      return { stroke, width: 2, dash: [6, 4], spanGaps: true, points: { ...points, show: haveRoom } };
    }
    case 'band':
      return { width: 0, points: { show: false }, spanGaps: true };
    default:
      return look satisfies never;
  }
}

function areFew(plot: uPlot, series: number): boolean {
  return placesOf(plot, series).length < fewPoints;
}

function haveRoom(plot: uPlot, series: number): boolean {
  const places = placesOf(plot, series);
  const [first, last] = [places[0] ?? 0, places.at(-1) ?? 0];
  return (places.length - 1) * markRoom <= plot.valToPos(last, 'x') - plot.valToPos(first, 'x');
}

/** Where a curve has values, as far as it is shown. */
function placesOf({ data, scales }: uPlot, series: number): number[] {
  const { min, max } = scales.x;
  const values = data[series];
  return Array.from(data[0]).filter((place, i) => {
    const value = values[i];
    return value !== null && value !== undefined && place >= (min ?? place) && place <= (max ?? place);
  });
}
