/** What was taken for what, for people: a row a label, a column a prediction. */
import type { Evaluation } from '../../coordinator/evaluation.ts';
import { classScores } from '../evaluate.ts';
import { grouped } from './screen.ts';

type Confusion = Evaluation['confusion'];

/** With counts, recall beside and precision below; where that is too wide, in percent of each label's samples. */
export function confusionLines(confusion: Confusion, columns: number): string[] {
  const counts = countLines(confusion);
  return counts.every((line) => line.length <= columns) ? counts : percentLines(confusion);
}

function countLines(confusion: Confusion): string[] {
  const classes = classScores(confusion);
  const width = 1 + Math.max(4, ...confusion.flat().map((count) => String(count).length));
  const line = (title: string, cells: readonly (string | number)[], end: string) =>
    `${title.padEnd(9)}${cells.map((cell) => String(cell).padStart(width)).join('')}${end}`.trimEnd();
  const ending = (recall: string, support: string) => recall.padStart(9) + support.padStart(9);
  return [
    line(
      'label',
      classes.map(({ label }) => label),
      ending('recall %', 'samples'),
    ),
    ...confusion.map((row, label) =>
      line(
        String(label).padStart(5),
        row.map((count) => (count === 0 ? '·' : count)),
        ending(shareText(classes[label].recall), grouped(classes[label].support)),
      ),
    ),
    line(
      'precision',
      classes.map(({ precision }) => shareText(precision)),
      ' %',
    ),
  ];
}

/** So that what is rare shows too, nothing but 0 is a dot. */
function percentLines(confusion: Confusion): string[] {
  const line = (title: string, cells: readonly (string | number)[], end = '') =>
    `${title.padStart(5)}${cells.map((cell) => String(cell).padStart(3)).join('')}${end}`;
  return [
    line(
      'label',
      confusion.map((_, label) => label),
      ' %',
    ),
    ...confusion.map((row, label) => {
      const support = row.reduce((sum, count) => sum + count, 0);
      const cells = row.map((count) => (count === 0 ? '·' : Math.round((100 * count) / support)));
      return line(String(label), cells);
    }),
  ];
}

/** In percent, in four characters; a dot where there is nothing to take a share of. */
export function shareText(part: number | null): string {
  if (part === null) return '·';
  return part === 1 ? '100' : Math.min(99.9, 100 * part).toFixed(1);
}
