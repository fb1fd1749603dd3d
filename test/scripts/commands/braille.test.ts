/** Small pictures of Braille. */
import t from 'tap';
import { brailleColumns, brailleLines } from '../../../scripts/commands/braille.ts';

const only = (x: number, y: number) => {
  const image = new Uint8Array(784);
  image[y * 28 + x] = 255;
  return image;
};

t.test('every pixel is a dot of its own, in its place', (t) => {
  const seen = new Set<string>();
  for (let y = 0; y < 28; y++) {
    for (let x = 0; x < 28; x++) {
      const lines = brailleLines(only(x, y));
      const [line, column] = [Math.floor(y / 4), Math.floor(x / 2)];
      const marked = lines.flatMap((text, l) =>
        [...text].flatMap((c, i) => (c === '\u2800' ? [] : [[l, i]])),
      );
      if (JSON.stringify(marked) !== JSON.stringify([[line, column]])) t.fail(`${x}, ${y}: ${marked}`);
      seen.add(lines.join('\n'));
    }
  }
  t.equal(seen.size, 784);
  t.end();
});

t.test('the dots are numbered as in Unicode', (t) => {
  const first = (x: number, y: number) => brailleLines(only(x, y))[0].codePointAt(0);
  // Dots 1 to 8: down the left, down the right, then the two at the bottom.
  const places = [
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 0],
    [1, 1],
    [1, 2],
    [0, 3],
    [1, 3],
  ];
  t.strictSame(
    places.map(([x, y]) => first(x, y)),
    places.map((_, dot) => 0x2800 + 2 ** dot),
  );
  t.end();
});

t.test('seven lines of fourteen, and faint pixels are not seen', (t) => {
  const lines = brailleLines(new Uint8Array(784).fill(60));
  t.strictSame(
    lines,
    Array.from({ length: 7 }, () => '\u2800'.repeat(brailleColumns)),
  );
  t.end();
});
