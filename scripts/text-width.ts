/** Texts as wide as a terminal shows them: letters of Asian scripts and emoji take two columns, marks on letters none. */

/** An escape sequence of ours, which says how text looks, and takes no room. */
const sequence = '\u001b\\[[\\d;]*m';
const none = /\p{M}|\p{Cf}/u;
const two =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** The columns that a line takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { width } of piecesOf(text)) columns += width;
  return columns;
}

/** As much of a line as has room in so many columns; what it began to look like ends with it. */
export function clipped(text: string, columns: number): string {
  let [shown, width, isStyled] = ['', 0, false];
  for (const piece of piecesOf(text)) {
    if (width + piece.width > columns) return isStyled ? `${shown}\u001b[0m` : shown;
    isStyled ||= piece.isStyle;
    shown += piece.text;
    width += piece.width;
  }
  return shown;
}

/** A line that is cut shows it. */
export function shortened(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  return columns < 1 ? '' : `${clipped(text, columns - 1)}…`;
}

/** Spaces behind, or in front, until it takes so many columns. */
export function padded(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, columns - columnsOf(text)));
  return align === 'left' ? text + spaces : spaces + text;
}

function* piecesOf(text: string): Generator<{ text: string; width: number; isStyle: boolean }> {
  const style = new RegExp(sequence, 'y');
  for (let at = 0; at < text.length; ) {
    style.lastIndex = at;
    const found = style.exec(text)?.[0];
    const piece = found ?? String.fromCodePoint(text.codePointAt(at) ?? 0);
    yield { text: piece, width: found === undefined ? widthOf(piece) : 0, isStyle: found !== undefined };
    at += piece.length;
  }
}

function widthOf(character: string): number {
  if (character < '\u0300') return 1;
  return none.test(character) ? 0 : two.test(character) ? 2 : 1;
}
