/** Running means and variances of batch normalisation: how they are spread, layer by layer. */
import type { BatchNormPoint } from '../feed.ts';
import { byId, element, setText, svgElement } from './elements.ts';
import { KeptTable } from './kept-table.ts';
import { grouped, shortNumber } from './logic/format.ts';
import { type Histogram, histogram } from './logic/histogram.ts';
import type { RunView } from './logic/run-view.ts';

const bins = 40;
const width = 240;
const height = 90;

export class BatchNorm {
  readonly #view: RunView;
  readonly #figures = element('div', { class: 'figures' });
  readonly #details = element('details', { class: 'as-table' }, element('summary', {}, 'Table'));
  readonly #table = new KeptTable('Running statistics');
  /** Of the statistics that are drawn. */
  #drawn: RunView['batchNorm'] = null;

  constructor(view: RunView) {
    this.#view = view;
    this.#details.append(this.#table.element);
    byId('batch-norm').append(this.#figures, this.#details);
    this.#details.addEventListener('toggle', () => this.#fillTable());
  }

  show(): void {
    const { batchNorm } = this.#view;
    const layers = batchNorm?.layers ?? [];
    // A model without batch normalisation has nothing to show here.
    byId('batch-norm-panel').hidden = batchNorm !== null && layers.length === 0;
    byId('batch-norm').classList.toggle('empty', batchNorm === null);
    setText(byId('batch-norm-note'), batchNorm === null ? '' : `after step ${grouped(batchNorm.step)}`);
    if (batchNorm === this.#drawn) return;
    this.#drawn = batchNorm;
    this.#figures.replaceChildren(...layers.map(figuresOf));
    this.#fillTable();
  }

  #fillTable(): void {
    if (!this.#details.open) return;
    const rows = (this.#view.batchNorm?.layers ?? []).flatMap(({ layer, mean, variance }) =>
      [['mean', mean] as const, ['variance', variance] as const].map(([name, values]) => {
        const spread = histogram(values, 1);
        const numbers =
          spread === null ? ['–', '–', '–'] : [spread.min, spread.median, spread.max].map(shortNumber);
        return [`layer ${layer} running ${name}`, grouped(values.length), ...numbers];
      }),
    );
    this.#table.fill('Running statistics', ['of', 'channels', 'least', 'median', 'greatest'], rows);
  }
}

/** Mean and variance of a layer stand side by side. */
function figuresOf({ layer, mean, variance }: BatchNormPoint): HTMLElement {
  return element(
    'div',
    { class: 'pair' },
    figureOf(`Layer ${layer}, running mean`, '--train', histogram(mean, bins)),
    figureOf(`Layer ${layer}, running variance`, '--test', histogram(variance, bins)),
  );
}

function figureOf(title: string, colourName: string, spread: Histogram | null): HTMLElement {
  if (spread === null) return element('figure', {}, element('figcaption', {}, `${title}: no values`));
  const { min, max, median, counts } = spread;
  const words = `from ${shortNumber(min)} to ${shortNumber(max)}, median ${shortNumber(median)}`;
  const most = Math.max(...counts);
  const wide = width / counts.length;
  const bars = counts.map((count, i) =>
    svgElement('rect', {
      x: i * wide,
      y: height - (count / most) * height,
      width: Math.max(1, wide - 1),
      height: (count / most) * height,
    }),
  );
  const picture = svgElement(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `${title}: ${words}`,
    },
    ...bars,
  );
  picture.style.fill = `var(${colourName})`;
  return element(
    'figure',
    {},
    element('figcaption', {}, title),
    picture,
    element(
      'div',
      { class: 'ends', 'aria-hidden': 'true' },
      element('span', {}, shortNumber(min)),
      element('span', {}, `median ${shortNumber(median)}`),
      element('span', {}, shortNumber(max)),
    ),
  );
}
