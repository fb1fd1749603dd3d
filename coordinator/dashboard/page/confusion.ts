/** The confusion matrix; a cell shows examples of what it counts. */
import { request } from './access.ts';
import { announce } from './announce.ts';
import { byId, element, scrolling, setText } from './elements.ts';
import { grouped } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';
import { sampleCanvas } from './sample-canvas.ts';

/** What `/examples` answers. */
interface Examples {
  readonly epoch: number;
  readonly count: number;
  readonly samples: readonly { readonly sample: number; readonly image: string }[];
}

const shades = 7;
const mostExamples = 12;

export class ConfusionMatrix {
  readonly #examples = byId('examples');
  #buttons: HTMLButtonElement[][] = [];
  /** So that of two answers the one asked for last is shown. */
  #asked = 0;

  show({ confusion }: RunView): void {
    byId('confusion').classList.toggle('empty', confusion === null);
    this.#examples.hidden = confusion === null;
    setText(byId('confusion-note'), confusion === null ? '' : `after step ${grouped(confusion.step)}`);
    if (confusion === null) return;
    const { counts } = confusion;
    if (this.#buttons.length !== counts.length) this.#build(counts.length);
    for (const [label, row] of counts.entries()) {
      const total = row.reduce((sum, count) => sum + count, 0);
      const mistakes = Math.max(1, ...row.filter((_, prediction) => prediction !== label));
      for (const [prediction, count] of row.entries()) {
        const button = this.#buttons[label][prediction];
        const isRight = label === prediction;
        // What is right fills most of a row, so what is wrong is shaded against the worst mistake.
        const share = isRight ? count / (total || 1) : count / Math.max(mistakes, total * 0.02);
        setText(button, String(count));
        button.className = `${isRight ? 'right' : 'wrong'} shade-${count === 0 ? 0 : Math.ceil(share * (shades - 1))}`;
        button.setAttribute('aria-label', `${count} of ${label} predicted as ${prediction}: show examples`);
      }
    }
  }

  #build(classes: number): void {
    const digits = Array.from({ length: classes }, (_, digit) => digit);
    this.#buttons = digits.map((label) =>
      digits.map((prediction) => {
        const button = element('button', { type: 'button' });
        button.addEventListener('click', () => void this.#ask(label, prediction));
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
      element('caption', {}, 'Test samples by label (rows) and prediction (columns)'),
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'label'), ...heads)),
      element('tbody', {}, ...rows),
    );
    byId('confusion').replaceChildren(scrolling('Confusion matrix', matrix));
  }

  async #ask(label: number, prediction: number): Promise<void> {
    const asked = ++this.#asked;
    const title = `${label} predicted as ${prediction}`;
    try {
      const response = await request(`/examples?label=${label}&prediction=${prediction}`);
      const { count, samples } = (await response.json()) as Examples;
      if (asked !== this.#asked) return;
      const shown = samples.slice(0, mostExamples);
      const words =
        count === 0
          ? `No test sample of ${label} was predicted as ${prediction}`
          : `${title}: ${shown.length} of ${grouped(count)}`;
      const pictures = shown.map(({ sample, image }) =>
        element(
          'li',
          {},
          sampleCanvas(bytesOf(image), `Test sample ${sample}`),
          element('small', {}, grouped(sample)),
        ),
      );
      this.#examples.replaceChildren(element('h3', {}, words), element('ul', {}, ...pictures));
      announce(words);
    } catch (error) {
      if (asked !== this.#asked) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#examples.replaceChildren(element('p', {}, `Examples cannot be shown just now (${reason}).`));
      announce('Examples cannot be shown just now');
    }
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
