/** Braille for terminals: 2 × 4 dots a character; a small picture of an image: 28×28 pixels as 7 lines of 14 characters of Braille. */

const side = 28;
/** The bit of each of a character's 2 × 4 dots (Unicode, block U+2800), row by row. */
const dots = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
/** The character without dots. */
export const emptyPattern = 0x2800;
/** Brighter is a dot. */
const threshold = 100;

/** Columns that a picture takes. */
export const brailleColumns = side / 2;

/** What a dot adds to a character. @param x 0 or 1, from the left @param y 0 … 3, from above */
export function dotBit(x: number, y: number): number {
  return dots[2 * y + x];
}

/** @param image (28, 28) bytes, bright on dark */
export function brailleLines(image: Uint8Array): string[] {
  return Array.from({ length: side / 4 }, (_, line) =>
    Array.from({ length: brailleColumns }, (_, column) => {
      const isOn = (dot: number) =>
        image[(4 * line + (dot >> 1)) * side + 2 * column + (dot & 1)] > threshold;
      return String.fromCodePoint(
        dots.reduce((code, bit, dot) => code + (isOn(dot) ? bit : 0), emptyPattern),
      );
    }).join(''),
  );
}
