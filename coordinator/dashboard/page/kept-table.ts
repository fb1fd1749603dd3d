/** A table that is written anew in place, so that whoever reads it keeps place and focus. */
import { cell, scrolling, setText, table } from './elements.ts';

export class KeptTable {
  readonly region: HTMLElement;
  readonly #table: HTMLTableElement;
  readonly #heads: number;

  /** @param label of the region that scrolls @param heads the first is of names, the others of numbers */
  constructor(label: string, heads: readonly string[]) {
    this.#heads = heads.length;
    this.#table = table(label, heads, []);
    this.region = scrolling(label, this.#table);
  }

  /** Writes all rows; not while the focus is inside, so that nothing changes under the eyes. */
  fill(caption: string, rows: readonly (readonly string[])[]): void {
    const body = this.#table.tBodies[0];
    if (body.rows.length > 0 && this.region.contains(document.activeElement)) return;
    const { caption: title } = this.#table;
    if (title !== null) setText(title, caption);
    while (body.rows.length > rows.length) body.deleteRow(-1);
    while (body.rows.length < rows.length) {
      const row = body.insertRow();
      for (let i = 0; i < this.#heads; i++) row.append(cell('', i === 0 ? 'name' : 'number'));
    }
    for (const [i, texts] of rows.entries()) {
      for (const [j, text] of texts.entries()) setText(body.rows[i].cells[j], text);
    }
  }
}
