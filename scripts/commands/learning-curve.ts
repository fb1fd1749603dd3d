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
  const series: readonly Series[] = [
    { name: 'train', color: 'cyan', values: epochs.map(({ loss }) => loss) },
    { name: 'test', color: 'yellow', values: epochs.map(({ testLoss }) => testLoss) },
  ];
  const all = series.flatMap(({ values }) => values);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const axis = [most, least].map((value) => value.toFixed(4));
  const axisWidth = Math.max('loss'.length, ...axis.map((text) => text.length));
  const labels = labelsOf(series, least, most);
  const labelWidth = Math.max(...labels.map((label) => label?.text.length ?? 0));
  const width = Math.min(widestPlot, columns - axisWidth - labelWidth - 4);
  if (epochs.length < 2 || width < narrowestPlot) return [];
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
    const dots = 2 * width;
    let before: number | null = null;
    for (let x = 0; x < dots; x++) {
      const y = dotRow(valueAt(values, x / (dots - 1)), least, most);
      // Steep parts are filled, so that the line holds together.
      const from = before === null || before === y ? y : before < y ? before + 1 : before - 1;
      for (let dot = Math.min(from, y); dot <= Math.max(from, y); dot++) {
        const [row, column] = [dot >> 2, x >> 1];
        codes[row][column] |= dotBit(x & 1, dot & 3);
        colors[row][column] = color;
      }
      before = y;
    }
  }
  return codes.map((line, row) =>
    line.map((code, column) => ({ pattern: String.fromCodePoint(code), color: colors[row][column] })),
  );
}

/** Between two epochs on the line from one to the other. @param share of the way from the first to the last, 0 … 1 */
function valueAt(values: readonly number[], share: number): number {
  const at = share * (values.length - 1);
  const before = Math.floor(at);
  const after = Math.min(before + 1, values.length - 1);
  return values[before] + (at - before) * (values[after] - values[before]);
}
