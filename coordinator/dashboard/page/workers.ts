/** The table of workers. */
import type { WorkerPoint } from '../feed.ts';
import { byId, cell, element, scrolling, setText, table } from './elements.ts';
import { clock, duration, grouped, milliseconds } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';
import { stateOf } from './logic/worker-words.ts';

const heads = [
  'Rank',
  'Worker',
  'State',
  'Share of a batch',
  'Samples/s',
  'Delay',
  'Heard',
  'Threads',
  'Kernels',
];

export class Workers {
  readonly #body: HTMLTableSectionElement;

  constructor() {
    const made = table('Workers', heads, []);
    this.#body = made.tBodies[0];
    byId('workers').append(scrolling('Table: workers', made));
  }

  /** @param asOfMs when it was so; null where it is so now */
  show({ now }: RunView, asOfMs: number | null): void {
    const workers = now?.workers ?? [];
    byId('workers').classList.toggle('empty', workers.length === 0);
    const shards = Math.max(1, ...workers.map(({ share }) => share?.hi ?? 0));
    const rows = this.#body.rows;
    while (rows.length > workers.length) this.#body.deleteRow(-1);
    while (rows.length < workers.length) this.#body.append(newRow());
    for (const [i, worker] of workers.entries()) fill(rows[i], worker, shards, asOfMs !== null);
    const gone = workers.filter(({ state }) => state === 'gone').length;
    byId('workers').classList.toggle('past', asOfMs !== null);
    const notes = [
      ...(gone === 0 ? [] : [`${grouped(gone)} gone`]),
      ...(asOfMs === null ? [] : [`as of ${clock(asOfMs)}`]),
    ];
    setText(byId('workers-note'), notes.join(', '));
  }
}

function newRow(): HTMLTableRowElement {
  return element(
    'tr',
    {},
    cell('', 'number'),
    cell('', 'name'),
    cell(element('span', { class: 'state' })),
    cell(
      element('span', { class: 'share' }, element('span', { class: 'bar' }, element('i')), element('span')),
    ),
    cell('', 'number'),
    cell('', 'number'),
    cell('', 'number'),
    cell('', 'number'),
    cell(''),
  );
}

function fill(row: HTMLTableRowElement, worker: WorkerPoint, shards: number, isPast: boolean): void {
  const { word, mark } = stateOf(worker);
  const isGone = worker.state === 'gone';
  row.classList.toggle('gone', isGone);
  const [rank, name, state, share, speed, delay, heard, threads, kernels] = row.cells;
  setText(rank, worker.rank === null ? '–' : String(worker.rank));
  setText(name, worker.name);
  name.title = placeOf(worker);
  const [label] = state.children;
  const wasSo = isPast && !isGone;
  setText(label, wasSo ? `was ${word}` : word);
  if (label instanceof HTMLElement) label.dataset.mark = wasSo ? 'past' : mark;
  fillShare(share, worker, shards);
  setText(speed, isGone ? '–' : grouped(worker.samplesPerSecond));
  setText(delay, isGone || worker.delayMs === null ? '–' : milliseconds(worker.delayMs));
  setText(heard, isPast ? '–' : heardOf(worker));
  setText(threads, grouped(worker.threads));
  setText(kernels, worker.kernels);
}

function fillShare(target: HTMLTableCellElement, { share }: WorkerPoint, shards: number): void {
  const bar = target.querySelector('i');
  const text = target.querySelector<HTMLElement>('.bar + span');
  if (bar === null || text === null) throw new Error('the cell has no bar');
  const { lo, hi } = share ?? { lo: 0, hi: 0 };
  bar.style.left = `${(100 * lo) / shards}%`;
  bar.style.width = `${(100 * (hi - lo)) / shards}%`;
  const count = hi - lo;
  setText(text, share === null ? '–' : `${count} of ${shards}${rangeOf(lo, hi)}`);
}

/** Which shards they are: `: 4–7`. */
function rangeOf(lo: number, hi: number): string {
  if (hi === lo) return '';
  return hi - lo === 1 ? `: ${lo}` : `: ${lo}–${hi - 1}`;
}

/** Of a worker that is gone no address is known any more, just as the threads of the coordinator have none. */
function placeOf({ id, state, address }: WorkerPoint): string {
  if (state === 'gone') return id;
  return address === null ? 'the threads of the coordinator' : `${id}, ${address}`;
}

function heardOf({ silentMs, state, address }: WorkerPoint): string {
  if (state === 'gone') return '–';
  if (address === null) return 'here';
  if (silentMs === null) return '–';
  return silentMs < 1000 ? 'now' : `${duration(silentMs / 1000)} ago`;
}
