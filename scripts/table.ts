/** Rows of text under their titles. */
import { columnsOf, padded } from './text-width.ts';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/**
 * Each column is as wide as its widest cell, with one space between two where a line would not fit otherwise and two
 * where it does. No titles at all, no line for them.
 * @param isIndented by two spaces, where there are two between columns
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = 80,
  isIndented = true,
): string[] {
  const widths = columns.map(({ title }, i) =>
    Math.max(columnsOf(title), ...rows.map((row) => columnsOf(row[i]))),
  );
  const wide = widths.reduce((sum, one) => sum + one + 2, isIndented ? 0 : -2) <= width;
  const gap = wide ? '  ' : ' ';
  const line = (cells: readonly string[]) =>
    `${wide && isIndented ? gap : ''}${cells
      .map((cell, i) => padded(cell, widths[i], columns[i].align))
      .join(gap)}`.trimEnd();
  const titles = columns.map(({ title }) => title);
  return [...(titles.every((title) => title === '') ? [] : [line(titles)]), ...rows.map(line)];
}
