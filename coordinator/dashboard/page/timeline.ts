/** The last steps that were timed, thread by thread, phase by phase. */
import { type Phase, phases, type StepTimeline } from '../../../shared/timeline.ts';
import { colour, onTheme } from './colours.ts';
import { byId, element, scrolling, setText } from './elements.ts';
import { KeptTable } from './kept-table.ts';
import { grouped, milliseconds } from './logic/format.ts';
import { phaseTimes, stepLength } from './logic/phase-times.ts';
import type { RunView } from './logic/run-view.ts';
import { stepWidths } from './logic/steps-placed.ts';

/** Few lanes are higher than many. */
const laneHeight = (lanes: number): number => (lanes <= 8 ? 26 : 18);
const headHeight = 22;
const gap = 10;
const mostLanes = 64;
/** A step narrower than this shows nothing; of steps side by side none is. */
const leastStepWidth = 150;
/** So many are there where all are as wide as this. */
const goodStepWidth = 220;
/** By letter they can be told apart without colour. */
const letters: Record<Phase, string> = {
  gather: 'G',
  forward: 'F',
  loss: 'L',
  exchange: 'E',
  backward: 'B',
  update: 'U',
  waiting: 'W',
  other: 'O',
};

interface Lane {
  readonly id: string;
  readonly thread: number;
  readonly worker: string;
  /** `· 1` where there are several. */
  readonly suffix: string;
}

/** A step that begins at pixel `from`, with so many pixels a millisecond. */
interface Placed {
  readonly step: StepTimeline;
  readonly from: number;
  readonly width: number;
  readonly scale: number;
}

export class Timeline {
  readonly #view: RunView;
  readonly #canvas = element('canvas', { role: 'img' });
  readonly #names = element('ol', { class: 'lanes', 'aria-hidden': 'true' });
  readonly #readout = element('p', { class: 'readout', 'aria-hidden': 'true' });
  readonly #details = element('details', { class: 'as-table' }, element('summary', {}, 'Table'));
  readonly #table = new KeptTable('Table: last step');

  constructor(view: RunView) {
    this.#view = view;
    const keys = phases.map((phase) => {
      const key = element('b', { class: 'phase' }, letters[phase]);
      key.style.background = `var(--${phase})`;
      return element('li', {}, key, ` ${phase}`);
    });
    this.#details.append(this.#table.element);
    byId('timeline').append(
      element('div', { class: 'legend' }, element('ul', {}, ...keys)),
      scrolling(
        'Timeline',
        element('div', { class: 'timeline' }, this.#names, element('div', { class: 'steps' }, this.#canvas)),
      ),
      this.#readout,
      this.#details,
    );
    this.#details.addEventListener('toggle', () => this.show());
    this.#canvas.addEventListener('pointermove', (event) => this.#readOut(event.offsetX, event.offsetY));
    this.#canvas.addEventListener('pointerleave', () => setText(this.#readout, ''));
    new ResizeObserver(() => this.show()).observe(this.#canvas.parentElement ?? this.#canvas);
    onTheme(() => this.show());
  }

  show(): void {
    const { timelines } = this.#view;
    byId('timeline').classList.toggle('empty', timelines.length === 0);
    if (timelines.length === 0) return;
    const { lanes, more } = this.#lanes();
    this.#nameLanes(lanes, more);
    this.#draw(lanes);
    const { isOneScale } = this.#steps();
    setText(
      byId('timeline-note'),
      `thread by thread${isOneScale ? '' : ', each step on a scale of its own'}`,
    );
    const last = timelines[timelines.length - 1];
    this.#canvas.setAttribute(
      'aria-label',
      `Timeline of ${timelines.length} steps, the last one step ${grouped(last.step)}, which took ` +
        `${milliseconds(stepLength(last.workers))}. A table follows.`,
    );
    if (this.#details.open) this.#fillTable(last);
  }

  #nameLanes(lanes: readonly Lane[], more: number): void {
    const items = lanes.map(({ worker, suffix }) =>
      element('li', {}, element('span', {}, worker), element('span', {}, suffix)),
    );
    if (more > 0) items.push(element('li', { class: 'more' }, `and ${grouped(more)} more threads`));
    this.#names.replaceChildren(...items);
  }

  /** Every thread of every worker of the last step, as far as there is room, and how many more there are. */
  #lanes(): { lanes: Lane[]; more: number } {
    const workers = this.#view.timelines.at(-1)?.workers ?? [];
    const lanes = workers.flatMap(({ id, name, threads }) =>
      threads.map((_, thread) => ({
        id,
        thread,
        worker: name,
        suffix: threads.length > 1 ? ` · ${thread}` : '',
      })),
    );
    return { lanes: lanes.slice(0, mostLanes), more: Math.max(0, lanes.length - mostLanes) };
  }

  /** Those that have room side by side, and where, one behind the other. */
  #steps(): { placed: Placed[]; isOneScale: boolean } {
    const width = this.#canvas.parentElement?.clientWidth ?? 0;
    const shown = this.#view.timelines.slice(-Math.max(1, Math.floor(width / goodStepWidth)));
    const lengths = shown.map(({ workers }) => stepLength(workers));
    const { widths, isOneScale } = stepWidths(lengths, width - gap * (shown.length - 1), leastStepWidth);
    let from = 0;
    const placed = shown.map((step, i) => {
      const place = { step, from, width: widths[i], scale: widths[i] / (lengths[i] || 1) };
      from += widths[i] + gap;
      return place;
    });
    return { placed, isOneScale };
  }

  #draw(lanes: readonly Lane[]): void {
    const width = this.#canvas.parentElement?.clientWidth ?? 0;
    const rowHeight = laneHeight(lanes.length);
    const height = headHeight + lanes.length * rowHeight;
    this.#names.style.setProperty('--lane', `${rowHeight}px`);
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const pen = this.#canvas.getContext('2d');
    if (pen === null) return;
    pen.scale(ratio, ratio);
    pen.textBaseline = 'middle';
    const colours = new Map(phases.map((phase) => [phase, colour(`--${phase}`)]));
    const [text, ink] = [colour('--muted'), colour('--phase-ink')];
    pen.strokeStyle = colour('--phase-edge');
    pen.lineWidth = 1;
    for (const { step, from, width, scale } of this.#steps().placed) {
      pen.font = '11px system-ui, sans-serif';
      pen.fillStyle = text;
      pen.textAlign = 'left';
      const length = stepLength(step.workers);
      // Squeezed where there is not the room.
      pen.fillText(`step ${grouped(step.step)} · ${milliseconds(length)}`, from, 9, width);
      pen.font = '600 10px system-ui, sans-serif';
      pen.textAlign = 'center';
      for (const [row, { id, thread }] of lanes.entries()) {
        const segments = step.workers.find((worker) => worker.id === id)?.threads[thread] ?? [];
        for (const segment of segments) {
          const [x, wide] = [from + segment.from * scale, (segment.to - segment.from) * scale];
          const y = headHeight + row * rowHeight;
          pen.fillStyle = colours.get(segment.phase) ?? text;
          pen.fillRect(x, y, Math.max(0.5, wide - 0.5), rowHeight - 3);
          if (wide > 3) pen.strokeRect(x + 0.5, y + 0.5, wide - 1.5, rowHeight - 4);
          if (wide < 12) continue;
          pen.fillStyle = ink;
          pen.fillText(letters[segment.phase], x + wide / 2, y + (rowHeight - 3) / 2 + 0.5);
        }
      }
    }
  }

  #readOut(x: number, y: number): void {
    const { lanes } = this.#lanes();
    const lane = lanes[Math.floor((y - headHeight) / laneHeight(lanes.length))];
    const place = this.#steps().placed.findLast(({ from }) => from <= x);
    setText(this.#readout, lane === undefined || place === undefined ? '' : describe(lane, place, x));
  }

  #fillTable({ step, workers }: StepTimeline): void {
    const rows = workers.flatMap(({ name, threads }) =>
      threads.map((segments, thread) => {
        const times = phaseTimes(segments);
        return [name, String(thread), ...phases.map((phase) => (times.get(phase) ?? 0).toFixed(3))];
      }),
    );
    const left = rows.length > mostLanes ? `, ${mostLanes} of ${grouped(rows.length)} threads` : '';
    this.#table.fill(
      `Step ${grouped(step)}: milliseconds by phase${left}`,
      ['worker', 'thread', ...phases],
      rows.slice(0, mostLanes),
    );
  }
}

/** What a thread did at pixel `x` of a step. */
function describe(lane: Lane, { step, from, scale }: Placed, x: number): string {
  const ms = (x - from) / scale;
  const segments = step.workers.find(({ id }) => id === lane.id)?.threads[lane.thread] ?? [];
  const segment = segments.find(({ from, to }) => from <= ms && ms < to);
  if (segment === undefined) return '';
  const { phase, to } = segment;
  return `step ${grouped(step.step)}, ${lane.worker}${lane.suffix}: ${phase} ${milliseconds(to - segment.from)}`;
}
