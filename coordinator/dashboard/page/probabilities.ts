/** The model's answer: a row for each digit, with a bar. */
import { classCount } from '../../../shared/data/sample.ts';
import type { Prediction } from '../../../shared/predictor.ts';
import { byId, cell, element, setText, table } from './elements.ts';
import { percent } from './logic/format.ts';

export class Probabilities {
  readonly #rows: HTMLTableRowElement[];

  constructor() {
    const cells = Array.from({ length: classCount }, (_, digit) => [
      cell(String(digit), 'name'),
      cell(element('span', { class: 'bar' }, element('i'))),
      cell('–', 'number'),
    ]);
    const made = table('Probabilities', ['digit', 'share', 'probability'], cells);
    made.classList.add('probabilities');
    this.#rows = [...made.tBodies[0].rows];
    byId('probabilities').append(made);
  }

  /** @param prediction null while nothing is drawn */
  show(prediction: Prediction | null): void {
    for (const [digit, row] of this.#rows.entries()) {
      const probability = prediction?.probabilities[digit] ?? null;
      const bar = row.querySelector('i');
      if (bar !== null) bar.style.width = `${100 * (probability ?? 0)}%`;
      setText(row.cells[2], probability === null ? '–' : percent(probability));
      row.classList.toggle('first', prediction?.label === digit);
      // The shortest decimal that gives back the number, as `lockstep predict --json` writes it.
      if (probability === null) delete row.dataset.probability;
      else row.dataset.probability = String(probability);
    }
    setText(byId('label'), prediction === null ? '–' : String(prediction.label));
    const sure = prediction === null ? null : prediction.probabilities[prediction.label];
    setText(byId('sureness'), sure === null ? 'nothing is drawn yet' : percent(sure));
  }
}
