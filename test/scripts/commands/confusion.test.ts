import t from 'tap';
import { confusionLines } from '../../../scripts/commands/confusion.ts';

const confusion = Array.from({ length: 10 }, (_, label) =>
  Array.from({ length: 10 }, (_, prediction) =>
    label === prediction ? 1000 : label === 3 && prediction === 5 ? 3 : 0,
  ),
);

t.test('counts with recall and precision where there is room', (t) => {
  const lines = confusionLines(confusion, 80);
  t.equal(lines.length, 12);
  t.equal(lines[4], '    3        ·    ·    · 1000    ·    3    ·    ·    ·    ·     99.7    1,003');
  t.ok(lines.every((line) => line.length <= 80));
  t.end();
});

t.test('percent of each label where there is not; what is rare is not nothing', (t) => {
  const lines = confusionLines(confusion, 40);
  t.equal(lines.length, 11);
  t.equal(lines[0], 'label  0  1  2  3  4  5  6  7  8  9 %');
  t.equal(lines[4], '    3  ·  ·  ·100  ·  0  ·  ·  ·  ·');
  t.ok(lines.every((line) => line.length <= 40));
  t.end();
});

t.test('a label of which there is none has no share', (t) => {
  const none = confusion.map((row, label) => row.map((count) => (label === 7 ? 0 : count)));
  t.equal(confusionLines(none, 80)[8], `    7    ${'    ·'.repeat(10)}        ·        0`);
  t.equal(confusionLines(none, 40)[8], `    7${'  ·'.repeat(10)}`);
  t.end();
});
