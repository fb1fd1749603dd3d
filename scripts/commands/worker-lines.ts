/** The workers of a run, a line for each: who it is, what it has to do, how fast it is, how it is. */
import type { WorkerNow } from '../../coordinator/live-run.ts';
import { Rates } from '../../coordinator/rates.ts';
import { heartbeatMs } from '../../shared/wire/limits.ts';
import { thisProcess } from '../invitation.ts';
import { type Column, table } from '../table.ts';
import { columnsOf, shortened } from '../text-width.ts';
import { grouped, plural, type Screen } from './screen.ts';

/** So many have a line. */
const mostLines = 8;
/** Whoever is gone is shown so long. */
const goneMs = 30_000;
/** Whoever was not heard of for so long is said to be silent. */
const silentMs = 2 * heartbeatMs;
/** With fewer columns titles are short. */
const narrow = 56;
const longestName = 24;
const shortestName = 6;
const wideTitles = ['rank', 'name', 'threads', 'shards', 'samples/s', 'state'];
const narrowTitles = ['#', 'name', 'thr', 'shards', '/s', 'state'];
const nameColumn = 1;
const leftColumns = [nameColumn, 5];

export class WorkerLines {
  readonly #rates = new Rates();
  /** When those that are gone were first seen to be. */
  readonly #gone = new Map<string, number>();

  /**
   * @param shardSize samples of a shard
   * @param columns that a line may take @param most lines, the title among them
   * @returns nothing where only this process computes
   */
  lines(
    workers: readonly WorkerNow[],
    shardSize: number,
    nowMs: number,
    { columns, most }: { readonly columns: number; readonly most: number },
    style: Screen['style'],
  ): string[] {
    for (const { id, shards } of workers) this.#rates.observe(id, nowMs, shards * shardSize);
    this.#rates.forget(workers.map(({ id }) => id));
    const recent = workers.filter((worker) => !this.#isLongGone(worker, nowMs));
    if (most < 2 || recent.every(isThisProcess)) return [];
    // Beside the title; and a line for those that have none.
    const room = Math.min(mostLines, most - 1);
    const shown = this.#choose(recent, recent.length > room && room === most - 1 ? room - 1 : room);
    const speeds = shown.map(({ id, state }) =>
      state === 'gone' ? '·' : grouped(this.#rates.perSecond(id, nowMs)),
    );
    const [title, ...lines] = rowsOf(shown, speeds, columns);
    const rest = recent.length - shown.length;
    return [
      style('dim', title),
      ...lines.map((line, i) => markedLine(line, shown[i], style)),
      ...(rest === 0
        ? []
        : [style('dim', `${shown.length === 0 ? '' : 'and '}${plural(rest, 'more worker')}`)]),
    ];
  }

  #isLongGone({ id, state }: WorkerNow, nowMs: number): boolean {
    if (state !== 'gone') {
      this.#gone.delete(id);
      return false;
    }
    const since = this.#gone.get(id) ?? nowMs;
    this.#gone.set(id, since);
    return nowMs - since >= goneMs;
  }

  /** Where there are too many, those that are not as they should be come first; they keep their order. */
  #choose(workers: readonly WorkerNow[], most: number): WorkerNow[] {
    const urgency = (worker: WorkerNow) => {
      const { state } = worker;
      return state === 'late' || state === 'behind' || isSilent(worker) ? 0 : state === 'working' ? 1 : 2;
    };
    const chosen = new Set(workers.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, most));
    return workers.filter((worker) => chosen.has(worker));
  }
}

function isThisProcess({ name, address }: WorkerNow): boolean {
  return name === thisProcess && (address === null || address === thisProcess);
}

function markedLine(line: string, worker: WorkerNow, style: Screen['style']): string {
  const { state } = worker;
  switch (state) {
    case 'working':
      return isSilent(worker) ? style('yellow', line) : line;
    case 'joining':
      return style('dim', line);
    case 'late':
    case 'behind':
      return style('yellow', line);
    case 'gone':
      return style('red', line);
    default:
      return state satisfies never;
  }
}

function isSilent({ state, silentMs: ms }: WorkerNow): boolean {
  return state === 'working' && ms !== null && ms > silentMs;
}

/** The title, and a row for each. Names take what the others leave. */
function rowsOf(workers: readonly WorkerNow[], speeds: readonly string[], columns: number): string[] {
  const isNarrow = columns < narrow;
  const titles = isNarrow ? narrowTitles : wideTitles;
  const cells = workers.map((worker, i) => [
    worker.rank === null ? '·' : String(worker.rank),
    worker.name,
    String(worker.threads),
    shardsText(worker.share),
    speeds[i].padStart(7),
    stateText(worker, isNarrow),
  ]);
  const widths = titles.map((title, i) =>
    i === nameColumn ? 0 : Math.max(title.length, ...cells.map((row) => columnsOf(row[i]))),
  );
  const others = widths.reduce((sum, width) => sum + width + 1, -1);
  const room = Math.min(longestName, Math.max(shortestName, columns - others));
  const rows = cells.map((row) => row.map((cell, i) => (i === nameColumn ? shortened(cell, room) : cell)));
  const aligned = titles.map(
    (title, i): Column => ({ title, align: leftColumns.includes(i) ? 'left' : 'right' }),
  );
  return table(aligned, rows, columns);
}

function shardsText(share: WorkerNow['share']): string {
  if (share === null || share.hi <= share.lo) return '·';
  return share.hi - share.lo === 1 ? String(share.lo) : `${share.lo}–${share.hi - 1}`;
}

function stateText(worker: WorkerNow, isNarrow: boolean): string {
  if (!isSilent(worker)) return worker.state;
  return isNarrow ? 'silent' : `silent ${Math.floor((worker.silentMs ?? 0) / 1000)} s`;
}
