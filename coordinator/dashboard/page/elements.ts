/** Making and filling elements. Whatever comes from elsewhere becomes text, never markup. */

export type Child = Node | string;

export interface Attributes {
  readonly [name: string]: string | number | boolean | undefined;
}

/** An element with attributes (`true` stands without a value, `false` and undefined not at all) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

function setAttributes(target: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    target.setAttribute(name, value === true ? '' : String(value));
  }
}

/** The element of the page with this id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Sets a text where it differs, so that nothing is drawn or read aloud again for nothing. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** A cell of a table's body: a row's own name, or a value. */
export function cell(text: Child, kind: 'value' | 'name' | 'number' = 'value'): HTMLTableCellElement {
  if (kind === 'name') return element('th', { scope: 'row' }, text);
  return element('td', kind === 'number' ? { class: 'number' } : {}, text);
}

/** A table with a caption and a head; rows are added to its body. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly HTMLTableCellElement[])[],
): HTMLTableElement {
  return element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    element('tbody', {}, ...rows.map((cells) => element('tr', {}, ...cells))),
  );
}

/** A wide thing in a frame of its own that scrolls, also by keyboard. */
export function scrolling(label: string, ...children: readonly Child[]): HTMLElement {
  return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, ...children);
}
