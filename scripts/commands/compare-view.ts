/** How a comparison of two runs reads on a terminal. */
import type { Comparison } from '../../coordinator/compare.ts';
import type { RunDifference, StateDifference } from '../../coordinator/investigation.ts';
import type { Pair, TensorDifference } from '../../coordinator/state-difference.ts';
import { grouped } from './screen.ts';
import { wrapped } from './wrap.ts';

/** A line for each tensor that differs, at most so many. */
const mostTensors = 20;
const titleWidth = 14;

/** @param columns of the terminal; tables of hexadecimal are as wide as they must be */
export function comparisonLines(
  { fields, steps, difference }: Comparison,
  folders: Pair<string>,
  columns: number,
): string[] {
  return [
    ...folders.map((folder, i) => row(i === 0 ? 'first' : 'second', `${folder}, ${stepCount(steps[i])}`)),
    '',
    ...(fields.length === 0 ? [] : [...fieldLines(fields), '']),
    ...(difference === null ? [sameLine(steps)] : differenceLines(difference, columns)),
  ];
}

function sameLine([first, second]: Pair<number>): string {
  if (first === second) return `The same bits after each of ${stepCount(first)}.`;
  const behind = first < second ? 'first' : 'second';
  return `The same bits after each of the ${stepCount(Math.min(first, second))} that the ${behind} has done.`;
}

function fieldLines(fields: Comparison['fields']): string[] {
  return [
    `The recipes differ in ${fields.length === 1 ? 'one field' : `${fields.length} fields`}:`,
    ...fields.flatMap(({ field, values }) => {
      const title = `  ${field}`;
      const lines = (first: string) => both(first, values.map(shownField));
      return title.length < titleWidth ? lines(title) : [title, ...lines('')];
    }),
  ];
}

function shownField(value: unknown): string {
  return value === undefined ? '(not there)' : value === null ? 'all' : String(value);
}

function differenceLines(difference: RunDifference, columns: number): string[] {
  const { step, digests, rerun, losses, states, missing } = difference;
  const text = (title: string, words: string) =>
    wrapped(words, columns - titleWidth).map((line, i) => row(i === 0 ? title : '', line));
  return [
    step === 0 ? 'They begin with different models.' : `They part at step ${grouped(step)}.`,
    row('first digest', digests[0]),
    row('second digest', digests[1]),
    ...(losses === null
      ? []
      : [row('loss', losses[0] === losses[1] ? `${losses[0]} in both` : losses.join(', '))]),
    ...(rerun === null ? [] : text('this machine', verdictOf(difference, rerun.from))),
    ...(states?.place ? text('arose in', states.place) : []),
    ...(states === null ? [] : ['', ...stateLines(states, step)]),
    ...missing.flatMap((words) => ['', ...wrapped(words, columns)]),
  ];
}

function verdictOf({ step, fault }: RunDifference, from: number): string {
  const again =
    step === 0
      ? 'made the model again'
      : `computed ${from + 1 === step ? `step ${step}` : `steps ${from + 1} to ${step}`} again`;
  switch (fault) {
    case 'first':
      return `has ${again} and agrees with the second: the first is at fault`;
    case 'second':
      return `has ${again} and agrees with the first: the second is at fault`;
    case 'both':
      return `has ${again} and agrees with neither`;
    case 'unknown':
      return `has not ${again}`;
    default:
      return fault satisfies never;
  }
}

function stateLines({ step, tensors }: StateDifference, parted: number): string[] {
  const when = `After step ${grouped(step)}${step === parted ? '' : ', the first after which both are known,'}`;
  if (tensors.length === 0) return [`${when} no value differs, only what fills panels up.`];
  const count = tensors.reduce((sum, { count }) => sum + count, 0);
  const values = count === 1 ? '1 value differs' : `${grouped(count)} values differ`;
  const shown = tensors.slice(0, mostTensors);
  const rows = [['tensor', 'differ', 'of', 'the first', 'first', 'second'], ...shown.flatMap(tensorRows)];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const isNumber = (column: number) => column === 1 || column === 2;
  const rest = tensors.length - shown.length;
  return [
    `${when} ${values}:`,
    '',
    ...rows.map((cells) =>
      cells
        .map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    ),
    ...(rest > 0 ? [`… and ${rest} more (--json names all)`] : []),
  ];
}

/** Bits, and below them what they mean. */
function tensorRows({ name, shape, count, index, bits, values }: TensorDifference): string[][] {
  const size = shape.reduce((product, length) => product * length, 1);
  return [
    [name, grouped(count), grouped(size), `[${index.join(', ')}]`, ...bits],
    ['', '', '', '', ...values.map((value) => String(Number(value.toPrecision(9))))],
  ];
}

function both(title: string, [first, second]: readonly string[]): string[] {
  return [row(title, `first   ${first}`), row('', `second  ${second}`)];
}

function row(title: string, text: string): string {
  return `${title.padEnd(titleWidth)}${text}`.trimEnd();
}

function stepCount(steps: number): string {
  return steps === 1 ? '1 step' : `${grouped(steps)} steps`;
}
