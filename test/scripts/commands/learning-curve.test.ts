import t from 'tap';
import { learningCurve } from '../../../scripts/commands/learning-curve.ts';

const plain = (_: unknown, text: string) => text;
const epochs = (losses: readonly number[], testLosses: readonly number[]) =>
  losses.map((loss, i) => ({ epoch: i + 1, loss, testLoss: testLosses[i] }));

/** The rows of the plot, as lists of booleans: is there a dot. */
function dots(lines: readonly string[]): boolean[][] {
  const cells = lines.slice(0, -1).map((line) => {
    const start = Math.max(line.indexOf('┤'), line.indexOf('│')) + 1;
    return [...line.slice(start)].map((cell) =>
      /[\u2800-\u28ff]/.test(cell) ? (cell.codePointAt(0) ?? 0) : 0x2800,
    );
  });
  const bits = [
    [0x01, 0x08],
    [0x02, 0x10],
    [0x04, 0x20],
    [0x40, 0x80],
  ];
  return cells.flatMap((row) =>
    bits.map((pair) => row.flatMap((code) => pair.map((bit) => (code & bit) !== 0))),
  );
}

t.test('two lines with their names and last values, within the columns', (t) => {
  const lines = learningCurve(epochs([1, 0.1, 0.01], [1, 0.5, 0.25]), 80, plain);
  t.equal(lines.length, 7);
  t.match(lines[0], /^1\.0000 ┤/);
  t.match(lines[5], /^0\.0100 ┤.* train 0\.0100$/);
  t.match(lines.join('\n'), /test {2}0\.2500$/m);
  t.match(lines[6], /^ {8}1 +epoch 3$/);
  for (const columns of [120, 80, 40]) {
    for (const line of learningCurve(epochs([1, 0.1, 0.01], [1, 0.5, 0.25]), columns, plain)) {
      t.ok(line.length <= columns, `${columns}: ${line}`);
    }
  }
  t.end();
});

t.test('heights go by logarithms: what falls by the same share each epoch is nearly straight', (t) => {
  const falling = Array.from({ length: 200 }, (_, i) => 0.97 ** i);
  const plot = dots(learningCurve(epochs(falling, falling), 80, plain));
  t.equal(plot.length, 24);
  for (let x = 0; x < 96; x++) {
    const y = plot.findIndex((row) => row[x]);
    t.ok(Math.abs(y - (23 * x) / 95) <= 1, `dot ${x} is at ${y}`);
  }
  t.end();
});

t.test('a line has no holes, however steep it is', (t) => {
  const plot = dots(learningCurve(epochs([1, 1, 0.001, 1], [1, 1, 0.001, 1]), 80, plain));
  for (let y = 0; y < 24; y++) t.ok(plot[y].includes(true), `row ${y}`);
  t.end();
});

t.test('ends in the same place have their names below each other, the higher one above', (t) => {
  for (const [train, test] of [
    [0.5, 0.5001],
    [0.5001, 0.5],
    [1, 0.999],
    [0.1, 0.1001],
  ]) {
    const lines = learningCurve(epochs([1, train], [0.1, test]), 80, plain);
    const [trainRow, testRow] = ['train', 'test '].map((name) =>
      lines.findIndex((line) => line.includes(` ${name} `)),
    );
    t.ok(trainRow >= 0 && testRow >= 0 && trainRow !== testRow, `${trainRow}, ${testRow}`);
    t.equal(trainRow < testRow, train >= test);
  }
  t.end();
});

t.test('nothing for a single epoch, or where there is no room', (t) => {
  t.same(learningCurve([], 80, plain), []);
  t.same(learningCurve(epochs([1], [1]), 80, plain), []);
  t.same(learningCurve(epochs([1, 0.5], [1, 0.5]), 20, plain), []);
  t.equal(learningCurve(epochs([1, 1], [1, 1]), 80, plain).length, 7, 'what does not move is drawn, too');
  t.equal(learningCurve(epochs([0, 0], [1, 1]), 80, plain).length, 7, 'and a loss of nothing');
  t.end();
});

t.test('a hundred thousand epochs are no more lines than two', (t) => {
  const losses = Array.from({ length: 100_000 }, (_, i) => 2 / (1 + i));
  const lines = learningCurve(epochs(losses, losses), 80, plain);
  t.equal(lines.length, 7);
  t.match(lines[6], /^ {8}1 +epoch 100000$/);
  t.end();
});
