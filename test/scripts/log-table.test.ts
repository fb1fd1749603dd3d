/** Rows of the tables that a log holds. */
import t from 'tap';
import { csvRows, type LogTable } from '../../scripts/log-table.ts';

/** The rows of a table, and what was counted; the last text is a line that is not ended. */
function tableOf(table: LogTable, texts: readonly string[], last?: string) {
  const count = { known: 0, strange: 0, isTorn: false };
  const lines = texts.map((text) => ({ text, isEnded: true }));
  const all = last === undefined ? lines : [...lines, { text: last, isEnded: false }];
  return { rows: [...csvRows(all, table, count)], ...count };
}

const step =
  '{"epoch":1,"step":2,"samples":64,"loss":2.6719613075256348,"accuracy":0.0625,"seconds":0.004772538000000054}';
const epoch = '{"epoch":1,"steps":2,"loss":0.1,"testLoss":1e-7,"testAccuracy":1,"seconds":12}';
const event = '{"event":"joined","step":1,"worker":"=1+1,\\"x\\""}';
const stepHeader = 'epoch,step,samples,loss,accuracy,seconds\r\n';
const epochHeader = 'epoch,steps,loss,testLoss,testAccuracy,seconds\r\n';

t.test('steps and epochs each are a table with a header, their numbers to the last digit', (t) => {
  const lines = [step, event, epoch];
  t.match(tableOf('steps', lines), {
    rows: [stepHeader, '1,2,64,2.6719613075256348,0.0625,0.004772538000000054\r\n'],
    known: 3,
    strange: 0,
    isTorn: false,
  });
  t.match(tableOf('epochs', lines), { rows: [epochHeader, '1,2,0.1,1e-7,1,12\r\n'], known: 3 });
  t.end();
});

t.test('a log from before there were accuracies has empty cells', (t) => {
  const { rows } = tableOf('steps', ['{"epoch":1,"step":2,"samples":64,"loss":0.5,"seconds":1}']);
  t.same(rows, [stepHeader, '1,2,64,0.5,,1\r\n']);
  t.end();
});

t.test('a line that is cut off is left out, and one that only lacks its end is not', (t) => {
  for (let length = 1; length < step.length; length++) {
    const { rows, isTorn } = tableOf('steps', [], step.slice(0, length));
    t.same([rows.length, isTorn], [1, true], `${length} bytes of it`);
  }
  t.match(tableOf('steps', [], step), { rows: { length: 2 }, isTorn: false });
  t.end();
});

t.test('what is no line of a log is counted and gives no row, so that all cells are numbers', (t) => {
  const strange = [
    '',
    'x',
    'null',
    '5',
    '[]',
    '{}',
    '{"epoch":1}',
    step.replace('2.6719613075256348', '"=1+1"'),
    step.replace('0.0625', 'null'),
    '\0\0\0',
  ];
  t.match(tableOf('steps', [...strange, step]), { rows: { length: 2 }, known: 1, strange: strange.length });
  t.end();
});
