/** Where a run is, in one or two lines below each other, and its loss so far. */
import { columnsOf } from '../text-width.ts';
import { sparkline } from './loss-history.ts';
import { clock, grouped, type Screen } from './screen.ts';

export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done in the epoch, and those of a whole one. */
  readonly step: number;
  readonly steps: number;
  /** Of the whole run, 0 … 1. */
  readonly done: number;
  readonly samplesPerSecond: number;
  /** Until the end of the run; null where that cannot be said. */
  readonly secondsLeft: number | null;
  readonly isEvaluating: boolean;
  /** Of the last step; null before the first. */
  readonly loss: number | null;
  /** All losses so far in at most so many points. */
  readonly losses: (most: number) => readonly number[];
}

/** On wider terminals it does not grow further, so that it can be looked at as one. */
const widest = 97;
const narrowestBar = 10;
const gap = '  ';

/** Numbers take as many columns as they may come to take, so that nothing moves but what changes. */
export function progressLines(progress: Progress, columns: number, style: Screen['style']): string[] {
  const { epoch, epochs, step, steps, done, loss } = progress;
  const width = Math.min(columns, widest);
  const epochText = `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
  const lossText = loss === null ? '' : `loss ${loss.toFixed(4)}`;
  const label = Math.max(epochText.length, lossText.length);
  const stepWidth = `step ${steps}/${steps}`.length;
  const stepText = progress.isEvaluating
    ? 'evaluating'
    : `step ${String(step).padStart(String(steps).length)}/${steps}`;
  const what = `${stepText.padEnd(stepWidth)}${gap}${grouped(progress.samplesPerSecond).padStart(7)} samples/s`;
  const { secondsLeft } = progress;
  const left =
    `${secondsLeft === null ? '' : clock(secondsLeft)}`.padStart(5) +
    (secondsLeft === null ? '     ' : ' left');
  const tail = `${what}${gap}${left}`;
  const room = width - label - 2 * gap.length;
  const isOneLine = room - columnsOf(tail) >= narrowestBar;
  const end = isOneLine ? tail : left;
  const bar = barOf(done, room - columnsOf(end), style);
  const first = `${epochText.padEnd(label)}${gap}${bar}${gap}${end}`.trimEnd();
  const points = progress.losses(width - label - gap.length);
  const history = points.length < 2 ? '' : gap + style('cyan', sparkline(points));
  return [
    first,
    ...(isOneLine ? [] : [speedFits(what, width)]),
    ...(loss === null ? [] : [`${lossText.padEnd(label)}${history}`.trimEnd()]),
  ];
}

/** A line that ends in `samples/s`, or in `/s` where it would be too wide. */
export function speedFits(line: string, columns: number): string {
  return columnsOf(line) <= columns ? line : line.replace(/ samples\/s$/, '/s');
}

function barOf(done: number, width: number, style: Screen['style']): string {
  const length = Math.max(0, width);
  const filled = Math.min(length, Math.floor(length * done));
  return style('cyan', '█'.repeat(filled)) + style('dim', '░'.repeat(length - filled));
}
