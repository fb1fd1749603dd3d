/** The confusion matrix; a cell shows examples of what it counts. */
import { reasonOf, request } from './access.ts';
import { announce } from './announce.ts';
import { byId, element, scrolling, setText } from './elements.ts';
import { grouped } from './logic/format.ts';
import { type Place, placeAfterKey } from './logic/roving.ts';
import type { RunView } from './logic/run-view.ts';
import { sampleCanvas } from './sample-canvas.ts';

/** What `/examples` answers. */
interface Examples {
  readonly step: number;
  readonly count: number;
  readonly samples: readonly { readonly sample: number; readonly image: string }[];
}

const shades = 7;
const mostExamples = 12;

export class ConfusionMatrix {
  readonly #view: RunView;
  readonly #examples = byId('examples');
  #buttons: HTMLButtonElement[][] = [];
  /** The cell that the tab key comes to, and the one whose examples are shown. */
  #current: Place = { row: 0, column: 0 };
  #chosen: Place | null = null;
  /** Of the evaluation that is shown. */
  #step: number | null = null;
  /** So that of two answers the one asked for last is shown. */
  #asked = 0;

  constructor(view: RunView) {
    this.#view = view;
  }

  show(): void {
    const { confusion } = this.#view;
    byId('confusion').classList.toggle('empty', confusion === null);
    this.#examples.hidden = confusion === null;
    setText(byId('confusion-note'), confusion === null ? '' : `after step ${grouped(confusion.step)}`);
    if (confusion === null || confusion.step === this.#step) return;
    const { counts, step } = confusion;
    this.#step = step;
    if (this.#buttons.length !== counts.length) this.#build(counts.length);
    for (const [label, row] of counts.entries()) this.#fill(label, row);
    // Examples of the evaluation before would stand beside numbers of this one.
    if (this.#chosen !== null) void this.#ask(this.#chosen, 'again');
  }

  #fill(label: number, row: readonly number[]): void {
    const total = row.reduce((sum, count) => sum + count, 0);
    const mistakes = Math.max(1, ...row.filter((_, prediction) => prediction !== label));
    for (const [prediction, count] of row.entries()) {
      const button = this.#buttons[label][prediction];
      const isRight = label === prediction;
      // What is right fills most of a row, so what is wrong is shaded against the worst mistake.
      const share = isRight ? count / (total || 1) : count / Math.max(mistakes, total * 0.02);
      const look = `${isRight ? 'right' : 'wrong'} shade-${count === 0 ? 0 : Math.ceil(share * (shades - 1))}`;
      if (button.className !== look) button.className = look;
      const text = String(count);
      if (button.textContent === text) continue;
      button.textContent = text;
      button.setAttribute('aria-label', `${count} of ${label} predicted as ${prediction}: show examples`);
    }
  }

  #build(classes: number): void {
    const digits = Array.from({ length: classes }, (_, digit) => digit);
    this.#buttons = digits.map((row) =>
      digits.map((column) => {
        const button = element('button', { type: 'button', tabindex: -1, 'aria-pressed': 'false' });
        button.addEventListener('click', () => void this.#ask({ row, column }, 'chosen'));
        button.addEventListener('focus', () => this.#turnTo({ row, column }));
        return button;
      }),
    );
    const heads = digits.map((digit) => element('th', { scope: 'col' }, String(digit)));
    const rows = digits.map((label) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, String(label)),
        ...this.#buttons[label].map((button) => element('td', {}, button)),
      ),
    );
    const matrix = element(
      'table',
      { class: 'matrix' },
      element(
        'caption',
        {},
        'Test samples by label (rows) and prediction (columns); arrow keys go from one number to the next',
      ),
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'label'), ...heads)),
      element('tbody', {}, ...rows),
    );
    matrix.addEventListener('keydown', (event) => this.#onKey(event));
    byId('confusion').replaceChildren(scrolling('Confusion matrix', matrix));
    this.#turnTo({ row: 0, column: 0 });
  }

  /** Of a hundred numbers one is a stop of the tab key. */
  #turnTo(place: Place): void {
    this.#button(this.#current)?.setAttribute('tabindex', '-1');
    this.#current = place;
    this.#button(place)?.setAttribute('tabindex', '0');
  }

  #onKey(event: KeyboardEvent): void {
    const next = placeAfterKey(event.key, this.#current, this.#buttons.length);
    if (next === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#button(next)?.focus();
  }

  #button({ row, column }: Place): HTMLButtonElement | undefined {
    return this.#buttons[row]?.[column];
  }

  /** @param how `again`: nobody has done anything, and nothing is read aloud */
  async #ask(place: Place, how: 'chosen' | 'again'): Promise<void> {
    const asked = ++this.#asked;
    if (this.#chosen !== null) this.#button(this.#chosen)?.setAttribute('aria-pressed', 'false');
    this.#chosen = place;
    this.#button(place)?.setAttribute('aria-pressed', 'true');
    const { row: label, column: prediction } = place;
    let words: string;
    try {
      const response = await request(`/examples?label=${label}&prediction=${prediction}`);
      const { step, count, samples } = (await response.json()) as Examples;
      if (asked !== this.#asked) return;
      const shown = samples.slice(0, mostExamples);
      const what =
        count === 0
          ? `No test sample of ${label} was predicted as ${prediction}`
          : `${label} predicted as ${prediction}: ${shown.length} of ${grouped(count)}`;
      words = `${what}, after step ${grouped(step)}`;
      this.#examples.replaceChildren(element('h3', {}, words), element('ul', {}, ...shown.map(pictureOf)));
    } catch (error) {
      if (asked !== this.#asked) return;
      words =
        this.#view.over !== null
          ? 'The run is over: examples can be had only while its coordinator is there.'
          : `Examples cannot be shown just now (${reasonOf(error)}).`;
      this.#examples.replaceChildren(element('p', {}, words));
    }
    if (how === 'chosen') announce(words);
  }
}

function pictureOf({ sample, image }: Examples['samples'][number]): HTMLLIElement {
  return element(
    'li',
    {},
    sampleCanvas(bytesOf(image), `Test sample ${sample}`),
    element('small', {}, grouped(sample)),
  );
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
