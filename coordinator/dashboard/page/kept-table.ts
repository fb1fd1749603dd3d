/** A table that is filled again and again while somebody may be reading it. */
import { cell, element, scrolling, setText, table } from './elements.ts';

/** Its element stays, and with it where it is scrolled to; while it has the focus, nothing in it changes. */
export class KeptTable {
  readonly element: HTMLElement;
  readonly #table = table('', [], []);

  constructor(label: string) {
    this.element = scrolling(label, this.#table);
  }

  get isBeingRead(): boolean {
    return this.element.contains(document.activeElement);
  }

  /** @param rows texts by column, the first of which names the row */
  fill(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): void {
    const body = this.#table.tBodies[0];
    if (body.rows.length > 0 && this.isBeingRead) return;
    const { caption: title, tHead } = this.#table;
    if (title !== null) setText(title, caption);
    if (tHead !== null) setTexts(tHead.rows[0], heads, () => element('th', { scope: 'col' }));
    while (body.rows.length > rows.length) body.deleteRow(-1);
    while (body.rows.length < rows.length) body.append(element('tr'));
    for (const [i, texts] of rows.entries()) {
      setTexts(body.rows[i], texts, (column) => cell('', column === 0 ? 'name' : 'number'));
    }
  }
}

function setTexts(
  row: HTMLTableRowElement,
  texts: readonly string[],
  make: (column: number) => HTMLTableCellElement,
): void {
  while (row.cells.length > texts.length) row.deleteCell(-1);
  while (row.cells.length < texts.length) row.append(make(row.cells.length));
  for (const [column, text] of texts.entries()) setText(row.cells[column], text);
}
