import t from 'tap';
import { clipped, columnsOf, padded, shortened } from '../../scripts/text-width.ts';

const red = (text: string) => `\u001b[31m${text}\u001b[39m`;

t.test('columns: letters one, Asian letters and emoji two, marks and styles none', (t) => {
  t.equal(columnsOf('mara · █░▁⡇ –…'), 14);
  t.equal(columnsOf('工人 1'), 6);
  t.equal(columnsOf('한국어'), 6);
  t.equal(columnsOf('🚂'), 2);
  t.equal(columnsOf('e\u0301'), 1);
  t.equal(columnsOf(red('late')), 4);
  t.equal(columnsOf(''), 0);
  t.end();
});

t.test('a line is clipped between characters, and its style ends with it', (t) => {
  t.equal(clipped('mara', 4), 'mara');
  t.equal(clipped('mara', 3), 'mar');
  t.equal(clipped('工人', 3), '工', 'no half of one');
  t.equal(clipped(`a${red('bcd')}`, 2), 'a\u001b[31mb\u001b[0m');
  t.equal(clipped(red('ab'), 2), red('ab'));
  t.equal(clipped('mara', 0), '');
  t.end();
});

t.test('what is shortened shows it; what is padded takes as much as is asked for', (t) => {
  t.equal(shortened('mara', 4), 'mara');
  t.equal(shortened('mara-the-third', 5), 'mara…');
  t.equal(shortened('工人工人', 4), '工…');
  t.equal(shortened('mara', 0), '');
  t.equal(padded('工', 4), '工  ');
  t.equal(padded('7', 3, 'right'), '  7');
  t.end();
});
