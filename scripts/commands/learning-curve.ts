/** How a model learnt: loss by epoch, of training and on the test set, as lines of Braille dots. */
import type { EpochReport } from '../../coordinator/reports.ts';
import { dotBit, emptyPattern } from './braille.ts';
import type { Screen } from './screen.ts';

const height = 6;
const widestPlot = 48;
const narrowestPlot = 10;

type Epoch = Pick<EpochReport, 'epoch' | 'loss' | 'testLoss'>;
type Color = 'cyan' | 'yellow';

interface Series {
  readonly name: string;
  readonly color: Color;
  readonly values: readonly number[];
}

/** Heights go by logarithms, as losses fall by shares. Nothing for less than two epochs, or where there is no room. */
export function learningCurve(
  epochs: readonly Epoch[],
  columns: number,
  style: Screen['style'],
): readonly string[] {
  if (epochs.length < 2) return [];
  const series: readonly Series[] = [
    { name: 'train', color: 'cyan', values: epochs.map(({ loss }) => loss) },
    { name: 'test', color: 'yellow', values: epochs.map(({ testLoss }) => testLoss) },
  ];
  // As arguments of one call, the values of many epochs would be too many.
  const all = series.flatMap(({ values }) => values);
  const least = all.reduce((a, b) => Math.min(a, b));
  const most = all.reduce((a, b) => Math.max(a, b));
  const axis = [most, least].map((value) => value.toFixed(4));
  const axisWidth = Math.max('loss'.length, ...axis.map((text) => text.length));
  const labels = labelsOf(series, least, most);
  const labelWidth = Math.max(...labels.map((label) => label?.text.length ?? 0));
  const width = Math.min(widestPlot, columns - axisWidth - labelWidth - 4);
  if (width < narrowestPlot) return [];
  const rows = plot(series, width, least, most);
  const title = (row: number) =>
    row === 0 ? axis[0] : row === height - 1 ? axis[1] : row === 1 ? 'loss' : '';
  const [first, last] = [epochs[0], epochs[epochs.length - 1]].map(({ epoch }) => String(epoch));
  return [
    ...rows.map((cells, row) => {
      const label = labels[row];
      const end = label === null ? '' : style(label.color, label.text);
      const dots = cells
        .map(({ pattern, color }) => (color === null ? pattern : style(color, pattern)))
        .join('');
      return `${title(row).padStart(axisWidth)} ${row === 0 || row === height - 1 ? '┤' : '│'}${dots} ${end}`.trimEnd();
    }),
    `${''.padEnd(axisWidth + 2)}${first}${`epoch ${last}`.padStart(width - first.length)}`,
  ];
}

/** Beside the row in which a line ends, its name and last value; one row apart where both end in the same. */
function labelsOf(series: readonly Series[], least: number, most: number) {
  const labels: ({ readonly text: string; readonly color: Color } | null)[] = new Array(height).fill(null);
  const ends = series.map((one) => ({ ...one, end: one.values[one.values.length - 1] }));
  // The higher one first, so that the other one can give way downwards, or it upwards from the bottom.
  const [upper, lower] = ends.toSorted((a, b) => b.end - a.end);
  const wanted = [upper, lower].map(({ end }) => Math.floor(dotRow(end, least, most) / 4));
  const at = Math.min(wanted[0], height - 2);
  const rows = [at, Math.max(wanted[1], at + 1)];
  for (const [i, { name, color, end }] of [upper, lower].entries()) {
    labels[rows[i]] = { text: `${name.padEnd(5)} ${end.toFixed(4)}`, color };
  }
  return labels;
}

/** The row of dots of a value, counted from above. */
function dotRow(value: number, least: number, most: number): number {
  const [at, bottom, top] = [value, least, most].map((loss) => Math.log(Math.max(loss, Number.MIN_VALUE)));
  const share = top === bottom ? 0 : (at - bottom) / (top - bottom);
  return Math.round((1 - share) * (4 * height - 1));
}

interface Cell {
  readonly pattern: string;
  readonly color: Color | null;
}

/** A line from epoch to epoch for each; where two meet in a cell it has the colour of the later. */
function plot(series: readonly Series[], width: number, least: number, most: number): Cell[][] {
  const codes = Array.from({ length: height }, () => new Array<number>(width).fill(emptyPattern));
  const colors = Array.from({ length: height }, () => new Array<Color | null>(width).fill(null));
  for (const { values, color } of series) {
    const points = values.map(
      (value, i): Dot => ({
        x: Math.round(((2 * width - 1) * i) / (values.length - 1)),
        y: dotRow(value, least, most),
      }),
    );
    for (const [i, point] of points.entries()) {
      for (const { x, y } of line(points[Math.max(0, i - 1)], point)) {
        codes[y >> 2][x >> 1] |= dotBit(x & 1, y & 3);
        colors[y >> 2][x >> 1] = color;
      }
    }
  }
  return codes.map((row, y) =>
    row.map((code, x) => ({
      pattern: code === emptyPattern ? ' ' : String.fromCodePoint(code),
      color: colors[y][x],
    })),
  );
}

interface Dot {
  readonly x: number;
  readonly y: number;
}

/** The dots from one to another, both among them. */
function line(from: Dot, to: Dot): Dot[] {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y));
  const between = (a: number, b: number, i: number) => Math.round(a + ((b - a) * i) / Math.max(1, steps));
  return Array.from({ length: steps + 1 }, (_, i) => ({
    x: between(from.x, to.x, i),
    y: between(from.y, to.y, i),
  }));
}
